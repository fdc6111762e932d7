;; Lets the host forward IPv6, of which the attachment has no address.
;; code: 100
;; told: no address of this attachment has that family
(call $sysctls.enable-forwarding (i32.const 1))
