;; Uses somebody else's bridge, which the configuration names for another type of plugin.
;; config: {"master": "docker0"}
;; code: 100
;; told: the configuration names no link "docker0"
(drop (call $links.link.bridge (text "docker0")))
