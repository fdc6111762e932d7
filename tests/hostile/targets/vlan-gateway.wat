;; Puts the host into a VLAN that the configuration does not name.
;; code: 100
;; told: the configuration names no VLANs 100 to 100
(drop (call $links.link.vlan-gateway (call $links.link.bridge (text "cni_bridge0")) (i32.const 100)))
