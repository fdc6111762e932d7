;; Gives a bridge a name from which the kernel chooses one (`%d`).
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "eth%d")))
