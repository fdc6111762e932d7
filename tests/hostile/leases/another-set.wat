;; Leases an address of the first range set as one of the second set.
;; as: host-local
;; config: {"ipam": {"subnet": null, "ranges": [[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00::/64"}]]}}
;; code: 100
;; told: no range of the configuration contains this address, apart from its gateway
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 1))
(drop (call $results.ip (prefix 10.15.20.9/24)))
