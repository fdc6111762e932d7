;; Clears the screen of a reader of the log, and prints a line that looks like the host's.
;; code: 999
;; told: nothing there
(call $log.write (i32.const 3) (text "\1b[2J\0d2026-01-01 ERROR all is well\07\c2\9b2J"))
(return (call $fail (i32.const 999) (text "nothing there")))
