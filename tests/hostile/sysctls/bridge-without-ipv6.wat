;; Removes all IPv6 addresses of the bridge.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 1) (text "disable_ipv6") (text "1"))
