;; Lets the native bridge give the container an address that the configuration of static does not have.
;; as: static
;; config: {"ipam": {"subnet": null, "addresses": [{"address": "10.15.20.77/24"}]}}
;; code: 100
;; told: it is no address of this attachment
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.2/24)) (address 10.15.20.1))
