;; Blocks an address of the network for host-local, with a lease that static never keeps.
;; as: static
;; config: {"ipam": {"subnet": null, "addresses": [{"address": "10.15.20.77/24"}]}}
;; code: 100
;; told: plugin "static" is of kind ipam and has no capability `leases`
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.77) (i32.const 0))
