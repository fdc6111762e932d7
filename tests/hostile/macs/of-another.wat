;; Takes the Ethernet address of another container.
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.set-mac (call $links.link.veth (text "eth12")) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
