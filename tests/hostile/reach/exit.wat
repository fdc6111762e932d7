;; Records what it may not and exits, as if all were well.
;; code: 101
;; told: exited with status 0
(drop (call $links.link.bridge (text "eth0")))
(call $exit.exit (i32.const 0))
