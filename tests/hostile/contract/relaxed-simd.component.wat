;; Uses a feature of WebAssembly that is switched off: relaxed SIMD.
;; code: 108
;; told: relaxed SIMD
(core module $unused (func (result v128) v128.const i32x4 0 0 0 0 v128.const i32x4 0 0 0 0 i8x16.relaxed_swizzle))
