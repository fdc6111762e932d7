;; Uses somebody else's bridge, which a remark in the configuration mentions.
;; config: {"note": "docker0"}
;; code: 100
;; told: the configuration names no link "docker0"
(drop (call $links.link.bridge (text "docker0")))
