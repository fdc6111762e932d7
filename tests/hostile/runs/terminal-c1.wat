;; Clears the screen of a reader of the log with one byte for ESC [, and with a title that never ends.
;; code: 999
;; told: nothing there
(call $log.write (i32.const 3) (text "\c2\9b2J\c2\9d0;all is well\c2\90\c2\85\7f"))
(return (call $fail (i32.const 999) (text "nothing there")))
