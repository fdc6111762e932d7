;; Imports a function with another type than it has.
;; code: 108
;; told: wasm-cni:plugin/request@0.1.0
;; told: args
(import "wasm-cni:plugin/request@0.1.0" (instance (export "args" (func (result u32)))))
