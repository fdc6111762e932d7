;; Writes to the log for ever, in lines as short as possible.
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
(loop $again (call $log.write (i32.const 3) (text "x\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n")) (br $again))
