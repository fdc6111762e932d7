;; Limits its traffic as the runtime says, though the configuration has a lower rate.
;; as: bandwidth
;; config: {"ingressRate": 1000000, "ingressBurst": 800000, "runtimeConfig": {"bandwidth": {"ingressRate": 9000000, "ingressBurst": 800000}}}
;; code: 100
;; told: leave out `ingressRate`
;; told: the configuration has `ingressRate`, which demands
(call $observe.host-end (i32.const 512))
(call $links.link.existing (i32.const 0) (i32.load (i32.const 516)) (i32.load (i32.const 520)) (i32.const 540))
(call $qdiscs.limit (i32.load (i32.const 544)) (i64.const 9000000) (i64.const 800000))
(call $results.pass-previous)
