;; As the IPAM plugin, names the address of somebody else's bridge as the gateway.
;; as: host-local
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: it is no gateway of an address of this attachment
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 172.17.0.1))
