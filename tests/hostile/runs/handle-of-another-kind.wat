;; Uses a lease store as a link.
;; as: host-local
;; code: 101
;; told: handle
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $links.link.up (i32.load (i32.const 516)))
