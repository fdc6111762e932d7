;; Leaves out both limits of its traffic.
;; as: bandwidth
;; config: {"ingressRate": 1000000, "ingressBurst": 800000, "egressRate": 2000000, "egressBurst": 800000}
;; code: 100
;; told: leave out `ingressRate`
;; told: leave out `egressRate`
(call $results.pass-previous)
