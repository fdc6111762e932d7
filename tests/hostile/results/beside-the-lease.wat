;; As the IPAM plugin, leases one address and gives another one.
;; as: host-local
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.4/24)))
