;; Lets the host forward IPv4.
;; as: tuning
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.enable-forwarding (i32.const 0))
