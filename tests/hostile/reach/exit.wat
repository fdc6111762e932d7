;; Records a forbidden action and exits with success.
;; code: 101
;; told: exited with status 0
(drop (call $links.link.bridge (text "eth0")))
(call $exit.exit (i32.const 0))
