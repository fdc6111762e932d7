;; Takes another Ethernet address than the configured one later in the chain.
;; as: tuning
;; config: {"mac": "02:00:00:00:00:01"}
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(call $links.link.set-mac (i32.load (i32.const 516)) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
