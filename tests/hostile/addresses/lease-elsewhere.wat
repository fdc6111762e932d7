;; Leases an address of a network that the configuration does not name.
;; as: host-local
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: no range of the configuration contains this address
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 192.0.2.7) (i32.const 0))
(drop (call $results.ip (prefix 192.0.2.7/24)))
