;; As the IPAM plugin, gives the address with a prefix of all addresses.
;; as: host-local
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: its prefix is shorter than that of its network
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.3/0)))
