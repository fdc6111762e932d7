;; As a chained plugin, leaves the bridge out of the result, so that a later firewall isolates its port instead.
;; as: tuning
;; code: 100
;; told: interfaces of prevResult are passed on
(call $observe.host-end (i32.const 512))
(call $links.link.existing (i32.const 0) (i32.load (i32.const 516)) (i32.load (i32.const 520)) (i32.const 540))
(call $results.add-link (i32.load (i32.const 544)))
