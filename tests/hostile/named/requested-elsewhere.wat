;; As the IPAM plugin, leases the requested address of a network that the configuration does not have.
;; as: host-local
;; args: IgnoreUnknown=1;IP=192.0.2.77/24
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: no range of the configuration contains this address
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 192.0.2.77) (i32.const 0))
(drop (call $results.ip (prefix 192.0.2.77/24)))
