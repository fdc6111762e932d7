;; Puts the container into a VLAN that the configuration does not name.
;; code: 100
;; told: the configuration names no VLANs 100 to 100
(call $links.link.add-native-vlan (call $links.link.peer (call $links.link.veth (text "eth12"))) (i32.const 100))
