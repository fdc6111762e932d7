;; Keeps a lease that nobody has, so that no file says that the address is taken.
;; as: host-local
;; code: 100
;; told: the container keeps only a lease that it does not use
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.keep (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.9/24)))
