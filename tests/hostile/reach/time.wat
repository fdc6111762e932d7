;; Reads the clock; records a foreign link if the clock does not stand still.
;; code: 999
;; told: it stands still
(local $then i64)
(local.set $then (call $monotonic-clock.now))
(if (i64.ne (call $monotonic-clock.now) (local.get $then)) (then (drop (call $links.link.bridge (text "leaked")))))
(if (i64.ne (local.get $then) (i64.const 0)) (then (drop (call $links.link.bridge (text "leaked")))))
(return (call $fail (i32.const 999) (text "it stands still")))
