;; Writes to the log for ever.
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
(loop $again (call $log.write (i32.const 3) (text "all work and no play")) (br $again))
