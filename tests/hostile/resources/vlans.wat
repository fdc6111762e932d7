;; Puts one port into a million ranges of VLANs.
;; code: 102
;; told: the plugin exceeded a limit: VLAN ranges of a port (2048)
(local $port i32)
(local.set $port (call $links.link.peer (call $links.link.veth (text "eth12"))))
(loop $again (call $links.link.add-tagged-vlans (local.get $port) (i32.const 2) (i32.const 4)) (br $again))
