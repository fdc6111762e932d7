;; Takes the Ethernet address of the address that it leases and gives to nobody.
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $delegate.add (text "host-local") (i32.const 512))
(call $links.link.set-mac (call $links.link.veth (text "eth12")) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 3))
