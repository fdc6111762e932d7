;; Makes a bridge, which the configuration names.
;; as: tuning
;; config: {"bridge": "br0"}
;; code: 100
;; told: only a main plugin makes links
(drop (call $links.link.bridge (text "br0")))
