;; Takes the Ethernet address of another container, as the loopback plugin.
;; as: loopback
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(call $links.link.set-mac (i32.load (i32.const 516)) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
