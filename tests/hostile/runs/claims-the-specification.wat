;; Fails with the code of another version, as if the host had said so.
;; code: 999
;; told: all is well
(return (call $fail (i32.const 1) (text "all is well")))
