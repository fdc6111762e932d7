;; Leases two addresses for one interface.
;; as: host-local
;; code: 100
;; told: a request gets one address from each range set
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.8) (i32.const 0))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.8/24)))
