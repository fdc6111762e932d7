;; Calls a bridge by a name with a NUL in it.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "cni_bridge0\00")))
