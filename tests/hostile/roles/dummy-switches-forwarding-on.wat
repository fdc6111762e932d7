;; Lets the host forward packets for a network that has no way to the host.
;; as: dummy
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.enable-forwarding (i32.const 0))
