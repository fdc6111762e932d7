;; Leases the broadcast address of the network.
;; as: host-local
;; code: 100
;; told: no range of the configuration contains this address, apart from its gateway
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.255) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.255/24)))
