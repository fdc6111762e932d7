;; Fails with the code of what policy denies, as if the host had said so.
;; code: 999
;; told: all is well
(return (call $fail (i32.const 100) (text "all is well")))
