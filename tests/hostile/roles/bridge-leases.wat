;; Leases an address of the network itself, past the IPAM plugin.
;; code: 100
;; told: plugin "bridge" is of kind main and has no capability `leases`
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.77) (i32.const 0))
