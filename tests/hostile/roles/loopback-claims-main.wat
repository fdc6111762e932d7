;; Claims in its manifest to be a main plugin, to make links.
;; as: loopback
;; kind: main
;; code: 100
;; told: plugin "loopback" is of kind chained, and its component claims main
(drop (call $links.link.bridge (text "cni0")))
