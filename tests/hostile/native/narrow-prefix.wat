;; Lets the native bridge give the host a route that diverts a part of the network.
;; as: host-local
;; code: 100
;; told: a result has the prefix of the address's network
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/25)) (address 10.15.20.1))
