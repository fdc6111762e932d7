;; Uses the host's loopback as a bridge.
;; code: 100
;; told: the configuration names no link "lo"
(drop (call $links.link.bridge (text "lo")))
