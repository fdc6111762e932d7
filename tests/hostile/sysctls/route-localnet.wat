;; Lets every container of the bridge reach the host's 127.0.0.1.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "route_localnet") (text "1"))
