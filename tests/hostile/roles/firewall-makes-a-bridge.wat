;; Makes a bridge.
;; as: firewall
;; code: 100
;; told: plugin "firewall", a chained plugin, has no capability `links`
(drop (call $links.link.bridge (text "cni0")))
