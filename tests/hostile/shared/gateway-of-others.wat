;; Answers for the gateway of a network whose router is not the host.
;; config: {"isGateway": false, "ipMasq": false}
;; code: 100
;; told: the configuration does not make the host a gateway
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.1/24)))
