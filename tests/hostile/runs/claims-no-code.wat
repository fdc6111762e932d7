;; Fails with the code of no code at all, as if the host had said so.
;; code: 999
;; told: all is well
(return (call $fail (i32.const -294967296) (text "all is well")))
