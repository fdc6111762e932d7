;; Lets the native bridge give the container a second address, of somebody else's network.
;; as: host-local
;; code: 100
;; told: it is no address of this attachment
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
(drop (call $results.ip (prefix 172.17.0.1/16)))
