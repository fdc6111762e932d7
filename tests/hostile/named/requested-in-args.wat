;; As the IPAM plugin, gives the address in `args.cni.ips` without a lease.
;; as: host-local
;; config: {"args": {"cni": {"ips": ["10.15.20.2"]}}}
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $results.ip (prefix 10.15.20.2/24)))
