;; Leases the address that another container has leased.
;; as: host-local
;; code: 999
;; told: 10.15.20.2
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.2) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.2/24)))
