;; Makes a bridge of the host's loopback.
;; code: 100
;; told: the configuration names no link "lo"
(drop (call $links.link.bridge (text "lo")))
