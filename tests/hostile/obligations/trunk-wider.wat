;; Joins more VLANs than its trunk has.
;; config: {"vlanTrunk": [{"minID": 5, "maxID": 9}], "ipMasq": false}
;; code: 100
;; told: leave out `vlanTrunk`
;; told: the configuration names no VLANs 5 to 10
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
(call $links.link.set-vlan-filtering (local.get $bridge) (i32.const 1))
(call $links.link.drop-default-vlans (local.get $port))
(call $links.link.add-tagged-vlans (local.get $port) (i32.const 5) (i32.const 10))
