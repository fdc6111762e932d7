;; Lets the native bridge give the container a free address without a lease.
;; as: host-local
;; code: 100
;; told: it is no address of this attachment
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
