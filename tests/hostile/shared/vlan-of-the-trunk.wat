;; Puts the host into a VLAN of the container's trunk.
;; config: {"vlan": 100, "vlanTrunk": [{"id": 7}]}
;; code: 100
;; told: a VLAN's gateway is in the VLAN that `vlan` names
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(call $links.link.drop-default-vlans (call $links.link.peer (call $links.link.vlan-gateway (local.get $bridge) (i32.const 7))))
