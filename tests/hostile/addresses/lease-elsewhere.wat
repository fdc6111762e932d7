;; Leases an address of a network that the configuration does not name.
;; code: 100
;; told: the configuration names no network with this address
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 192.0.2.7) (i32.const 0))
