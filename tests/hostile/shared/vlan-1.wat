;; Puts the host into VLAN 1, which the configuration does not name.
;; config: {"vlan": 100}
;; code: 100
;; told: a VLAN's gateway is in the VLAN that `vlan` names
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(call $links.link.drop-default-vlans (call $links.link.peer (call $links.link.vlan-gateway (local.get $bridge) (i32.const 1))))
