;; Uses the bridge that another object of the configuration has under the same key.
;; config: {"ipam": {"bridge": "docker0"}, "args": {"cni": {"bridge": "docker0"}}}
;; code: 100
;; told: the configuration names no link "docker0"
(drop (call $links.link.bridge (text "docker0")))
