;; Lets the host answer ARP requests for all addresses on the bridge.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "proxy_arp") (text "1"))
