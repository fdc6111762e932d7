;; Gives a bridge a name with a NUL.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "cni_bridge0\00")))
