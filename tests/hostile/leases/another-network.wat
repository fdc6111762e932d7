;; Leases an address of somebody else's network.
;; as: host-local
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: no range of the configuration contains this address, apart from its gateway
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 172.17.0.5) (i32.const 0))
(drop (call $results.ip (prefix 172.17.0.5/24)))
