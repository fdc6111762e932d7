;; Makes a bridge.
;; as: firewall
;; code: 100
;; told: plugin "firewall" is of kind chained and has no capability `links`
(drop (call $links.link.bridge (text "cni0")))
