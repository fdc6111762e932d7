;; Claims in its manifest to be a main plugin, for the grants of one.
;; as: host-local
;; kind: main
;; code: 100
;; told: plugin "host-local" is of kind ipam, and its component claims main
(drop (call $links.link.bridge (text "cni_bridge0")))
