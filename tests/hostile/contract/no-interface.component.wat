;; Imports an interface as a function.
;; code: 108
;; told: it imports `wasm-cni:plugin/log@0.1.0` as something other than an interface
(import "wasm-cni:plugin/log@0.1.0" (func))
