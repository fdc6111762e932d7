;; Lets the host forward packets for a network that has no way to the host.
;; as: dummy
;; code: 100
;; told: the configuration does not make the host a gateway
(call $sysctls.enable-forwarding (i32.const 0))
