;; Delegates to itself.
;; code: 100
;; told: delegate to "bridge"
;; told: the configuration delegates to "host-local" alone
(call $delegate.add (text "bridge") (i32.const 512))
