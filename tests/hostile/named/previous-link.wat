;; Uses somebody else's bridge, which is in a prevResult that a main plugin has no use for.
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "docker0"}]}
;; code: 100
;; told: the configuration names no link "docker0"
(drop (call $links.link.bridge (text "docker0")))
