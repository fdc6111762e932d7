;; Leases from the default store, though the configuration has a store with a relative path.
;; as: host-local
;; config: {"ipam": {"dataDir": "leases"}}
;; code: 100
;; told: leases are kept below
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 0))
