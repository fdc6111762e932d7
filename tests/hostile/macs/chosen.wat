;; Takes an Ethernet address of its choice.
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.set-mac (call $links.link.veth (text "eth12")) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
