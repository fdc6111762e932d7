;; Writes a file for a range set that the configuration does not have.
;; as: host-local
;; code: 100
;; told: the configuration has no range set with this number
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 7))
(drop (call $results.ip (prefix 10.15.20.9/24)))
