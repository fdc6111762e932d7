;; Puts a port into a VLAN with an invalid number.
;; code: 103
;; told: no VLAN can have the ID 4095
(call $links.link.add-native-vlan (call $links.link.peer (call $links.link.veth (text "eth12"))) (i32.const 4095))
