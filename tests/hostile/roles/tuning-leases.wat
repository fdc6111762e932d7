;; Leases an address of the network.
;; as: tuning
;; config: {"ipam": {"type": "host-local", "subnet": "10.15.20.0/24"}}
;; code: 100
;; told: plugin "tuning" is of kind chained and has no capability `leases`
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.77) (i32.const 0))
