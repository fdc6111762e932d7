;; Leases every address of the network, so that no other container gets one.
;; as: host-local
;; code: 100
;; told: a request gets one address from each range set
(local $last i32)
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(local.set $last (i32.const 3))
(loop $again
  (call $leases.store.reserve (i32.load (i32.const 516)) (i32.const 0) (i32.const 10) (i32.const 15) (i32.const 20)
    (local.get $last) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
  (br_if $again (i32.lt_u (local.tee $last (i32.add (local.get $last) (i32.const 1))) (i32.const 255))))
(drop (call $results.ip (prefix 10.15.20.3/24)))
