;; Stays in the default VLAN instead of its trunk.
;; config: {"vlanTrunk": [{"minID": 5, "maxID": 9}], "ipMasq": false}
;; code: 100
;; told: leave out `vlanTrunk`
;; told: the configuration has `vlanTrunk`, which demands
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
