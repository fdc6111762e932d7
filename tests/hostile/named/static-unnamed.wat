;; As the IPAM plugin static, gives another address than the configuration does.
;; as: static
;; config: {"ipam": {"subnet": null, "addresses": [{"address": "10.15.20.77/24"}]}}
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $results.ip (prefix 10.15.20.2/24)))
