;; Makes a bridge that does not separate its VLANs.
;; config: {"vlan": 100}
;; code: 100
;; told: a bridge filters by VLAN if the configuration names a VLAN, and only then
(drop (call $links.link.bridge (text "cni_bridge0")))
