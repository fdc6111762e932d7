;; Stops the forwarding of the bridge, for every container and after DEL.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "forwarding") (text "0"))
