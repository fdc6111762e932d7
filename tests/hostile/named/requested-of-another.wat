;; As the IPAM plugin, gives the requested address without a lease: another container has it.
;; as: host-local
;; args: IgnoreUnknown=1;IP=10.15.20.2/24
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $results.ip (prefix 10.15.20.2/24)))
