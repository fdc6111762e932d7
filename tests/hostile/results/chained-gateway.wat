;; As a chained plugin, reports a public address as the gateway.
;; as: tuning
;; code: 100
;; told: a result has the gateway of the address's network
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 8.8.8.8))
