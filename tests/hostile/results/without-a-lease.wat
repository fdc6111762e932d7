;; As the IPAM plugin, gives a free address without a lease.
;; as: host-local
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
