;; Imports another version of the contract.
;; code: 108
;; told: it imports `wasm-cni:plugin/links@0.2.0`; this host has wasm-cni:plugin@0.1.0
(import "wasm-cni:plugin/links@0.2.0" (instance (export "f" (func))))
