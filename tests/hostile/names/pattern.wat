;; Has the kernel choose a name.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "eth%d")))
