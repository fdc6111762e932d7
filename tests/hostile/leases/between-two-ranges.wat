;; Leases an address between two ranges of a set.
;; as: host-local
;; config: {"ipam": {"subnet": null, "ranges": [[{"subnet": "10.15.20.0/24", "rangeStart": "10.15.20.10", "rangeEnd": "10.15.20.14"}, {"subnet": "10.15.20.0/24", "rangeStart": "10.15.20.16", "rangeEnd": "10.15.20.20"}]]}}
;; code: 100
;; told: no range of the configuration contains this address, apart from its gateway
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.15) (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.15/24)))
