;; Calls a bridge by a name of two lines.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "cni_bridge0\nup")))
