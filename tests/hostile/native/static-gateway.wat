;; Lets the native bridge give the host a public address as the gateway of a configured address.
;; as: static
;; config: {"ipam": {"subnet": null, "addresses": [{"address": "10.15.20.77/24"}]}}
;; code: 100
;; told: a result has the gateway of the address's network
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.77/24)) (address 8.8.8.8))
