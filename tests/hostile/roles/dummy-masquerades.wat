;; Masquerades a leased address.
;; as: dummy
;; code: 100
;; told: plugin "dummy" is of kind main and has no capability `nat`
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $nat.masquerade (prefix 10.15.20.3/24)))
