;; Leaves out a parameter that the configuration sets.
;; as: tuning
;; config: {"sysctl": {"net.core.somaxconn": "500"}}
;; code: 100
;; told: leave out `sysctl`
;; told: the configuration has `sysctl`, which demands
(call $results.pass-previous)
