;; Writes a file, through a directory handle that it never got.
;; code: 101
;; told: unknown handle
(call $types.descriptor.open-at (i32.const 3) (i32.const 0) (text "etc/passwd") (i32.const 1) (i32.const 2) (i32.const 512))
