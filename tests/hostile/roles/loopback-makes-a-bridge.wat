;; Makes a bridge.
;; as: loopback
;; code: 100
;; told: only a main plugin makes links
(drop (call $links.link.bridge (text "cni0")))
