;; Changes the Ethernet address of the bridge, which prevResult has.
;; as: tuning
;; code: 100
;; told: a link that others use keeps its attributes
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(call $links.link.set-mac (i32.load (i32.const 516)) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
