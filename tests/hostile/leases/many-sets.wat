;; Writes 4000 files for range sets that the configuration does not have.
;; as: host-local
;; code: 100
;; told: the configuration has no range set with this number
(local $set i32)
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(loop $again
  (call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.9) (local.get $set))
  (br_if $again (i32.lt_u (local.tee $set (i32.add (local.get $set) (i32.const 1))) (i32.const 4000))))
(drop (call $results.ip (prefix 10.15.20.9/24)))
