;; Lowers the MTU of the bridge through its own port, after the bridge plugin has made it.
;; as: tuning
;; config: {"mtu": 68}
;; code: 100
;; told: a link that others use keeps its attributes
(call $observe.host-end (i32.const 512))
(call $links.link.existing (i32.const 0) (i32.load (i32.const 516)) (i32.load (i32.const 520)) (i32.const 540))
(call $links.link.set-mtu (i32.load (i32.const 544)) (i32.const 68))
