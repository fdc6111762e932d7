;; Uses the host's own interface as a bridge.
;; code: 100
;; told: the configuration names no link "eth0"
(drop (call $links.link.bridge (text "eth0")))
