;; Loops in its start function, while it is instantiated.
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
;; fields
(func $start (loop $again (br $again)))
(start $start)
