;; Sleeps for a year.
;; code: 101
;; told: the plugin called wasi:clocks/monotonic-clock@0.2.6#subscribe-duration, which plugins do not have
(call $poll.pollable.block (call $monotonic-clock.subscribe-duration (i64.const 31536000000000000)))
