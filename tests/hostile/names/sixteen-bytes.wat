;; Gives a bridge a name of 16 bytes, one more than the kernel accepts.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "cni_bridge0xxxxx")))
