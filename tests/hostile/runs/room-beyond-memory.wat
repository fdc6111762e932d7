;; Allocates memory for the host beyond the end of its memory.
;; code: 101
;; told: realloc return
(call $request.config (i32.const 512))
;; fields
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const -16))
