;; Makes a second veth pair to the host, under a name of its own.
;; as: tuning
;; code: 100
;; told: only a main plugin makes links
(drop (call $links.link.veth (text "eth13")))
