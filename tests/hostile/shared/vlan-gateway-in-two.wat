;; Leaves the port of a VLAN's gateway in the default VLAN.
;; config: {"vlan": 100}
;; code: 100
;; told: the port leaves the default VLAN unless `preserveDefaultVlan` is set
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(drop (call $links.link.vlan-gateway (local.get $bridge) (i32.const 100)))
