;; Makes a bridge of the host's own interface.
;; code: 100
;; told: the configuration names no link "eth0"
(drop (call $links.link.bridge (text "eth0")))
