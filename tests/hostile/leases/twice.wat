;; Lets the IPAM plugin lease twice.
;; code: 999
;; told: duplicate allocation is not allowed
(call $delegate.add (text "host-local") (i32.const 512))
(call $delegate.add (text "host-local") (i32.const 512))
(return (i32.const 512))
