;; Joins its VLAN and stays in the default one.
;; config: {"vlan": 100, "ipMasq": false}
;; code: 100
;; told: leave out `vlan`
;; told: the configuration has `vlan`, which demands
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(call $links.link.add-native-vlan (local.get $port) (i32.const 100))
