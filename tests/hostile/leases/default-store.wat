;; Leases from the default store, where no address of the configured store is known: another container has the address.
;; as: host-local
;; config: {"ipam": {"dataDir": "/var/lib/wasm-cni-test"}}
;; code: 100
;; told: leases are kept below /var/lib/wasm-cni-test
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (i32.const 0))
