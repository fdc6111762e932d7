;; Lets containers choose the way of their packets through the host.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "accept_source_route") (text "1"))
