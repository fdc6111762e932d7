;; Imports an interface that does not exist.
;; code: 108
;; told: wasm-cni:plugin/rockets@0.1.0
(import "wasm-cni:plugin/rockets@0.1.0" (instance (export "f" (func))))
