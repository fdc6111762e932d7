;; Leases the address of all routers of an IPv6 network.
;; as: host-local
;; config: {"ipam": {"subnet": null, "ranges": [[{"subnet": "fd00::/64"}]]}}
;; code: 100
;; told: no range of the configuration contains this address, apart from its gateway
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address fd00::) (i32.const 0))
(drop (call $results.ip (prefix fd00::/64)))
