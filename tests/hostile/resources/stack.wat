;; Calls itself for ever.
;; code: 102
;; told: the plugin exceeded a limit: depth of calls (512 KiB of stack)
(drop (call $recurse (i64.const 1) (i64.const 2)))
