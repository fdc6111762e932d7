;; Uses somebody else's bridge, whose name the user chose as an alias of the container.
;; config: {"runtimeConfig": {"aliases": {"mybridge": ["docker0"]}}}
;; code: 100
;; told: the configuration names no link "docker0"
(drop (call $links.link.bridge (text "docker0")))
