;; Lets a container make itself the host's default router, with one router advertisement.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 1) (text "accept_ra") (text "2"))
