;; Lets the IPAM plugin lease twice.
;; code: 100
;; told: a request gets one address from each range set
(call $delegate.add (text "host-local") (i32.const 512))
(call $delegate.add (text "host-local") (i32.const 512))
