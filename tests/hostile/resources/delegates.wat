;; Delegates without end.
;; code: 102
;; told: the plugin exceeded a limit: calls of delegates (16)
(loop $again (call $delegate.add (text "host-local") (i32.const 512)) (br $again))
