;; As the IPAM plugin, lets the host forward its address, ahead of the administrator's DROP.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `filter`
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(call $filter.allow-forward (address 10.15.20.3) (text "CNI-ADMIN"))
(drop (call $results.ip (prefix 10.15.20.3/24)))
