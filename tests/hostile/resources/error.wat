;; Fails with a text of 15 MB.
;; code: 999
;; told: xxxxxxxx
(drop (memory.grow (i32.const 300)))
(memory.fill (i32.const 65536) (i32.const 120) (i32.const 15000000))
(return (call $fail (i32.const 999) (i32.const 65536) (i32.const 15000000)))
