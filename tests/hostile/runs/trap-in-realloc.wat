;; Traps when the host allocates memory in it.
;; code: 101
;; told: unreachable
(call $request.config (i32.const 512))
;; fields
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
