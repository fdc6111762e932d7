;; Imports an interface of another host.
;; code: 108
;; told: it imports `other:host/thing@1.0.0`; this host has wasm-cni:plugin@0.1.0
(import "other:host/thing@1.0.0" (instance (export "f" (func))))
