;; Lets a container change the host's routes with ICMP redirects.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "accept_redirects") (text "1"))
