;; Calls a bridge by a name of 16 bytes, one more than the kernel takes.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "cni_bridge0xxxxx")))
