;; Records a random name.
;; twice: yes
;; code: 100
;; told: the configuration names no link
(i64.store8 (i32.const 1024) (i64.add (i64.const 97) (i64.rem_u (call $random.get-random-u64) (i64.const 26))))
(i64.store8 (i32.const 1025) (i64.add (i64.const 97) (i64.rem_u (call $random.get-random-u64) (i64.const 26))))
(i64.store8 (i32.const 1026) (i64.add (i64.const 97) (i64.rem_u (call $monotonic-clock.now) (i64.const 26))))
(drop (call $links.link.bridge (i32.const 1024) (i32.const 3)))
