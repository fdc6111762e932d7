;; As the IPAM plugin, makes the network's bridge, with the main plugin's grants.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `links`
(drop (call $links.link.bridge (text "cni_bridge0")))
(drop (call $results.ip (prefix 10.15.20.3/24)))
