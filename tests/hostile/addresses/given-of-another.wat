;; As the IPAM plugin, returns the address that another container has leased.
;; as: host-local
;; code: 100
;; told: ip address add 10.15.20.2/24
;; told: no lease, native delegate or configuration gives this address
(drop (call $results.ip (prefix 10.15.20.2/24)))
