;; Imports a function that does not exist.
;; code: 108
;; told: wasm-cni:plugin/request@0.1.0
;; told: password
(import "wasm-cni:plugin/request@0.1.0" (instance (export "password" (func (result string)))))
