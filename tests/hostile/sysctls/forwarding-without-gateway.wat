;; Lets the host forward packets for a network whose bridge is no gateway.
;; config: {"isGateway": false, "ipMasq": false}
;; code: 100
;; told: the configuration does not make the host a gateway
(call $delegate.add (text "host-local") (i32.const 512))
(call $sysctls.enable-forwarding (i32.const 0))
