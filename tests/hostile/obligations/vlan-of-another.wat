;; Joins another VLAN instead of its own.
;; config: {"vlan": 100, "ipMasq": false}
;; code: 100
;; told: leave out `vlan`
;; told: the configuration names no VLANs 200 to 200
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(call $links.link.drop-default-vlans (local.get $port))
(call $links.link.add-native-vlan (local.get $port) (i32.const 200))
