;; Fails with the code of a limit, as if the host had said so.
;; code: 999
;; told: all is well
(return (call $fail (i32.const 102) (text "all is well")))
