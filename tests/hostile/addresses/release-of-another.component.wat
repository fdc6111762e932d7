;; Releases what another container has leased.
;; code: 108
;; told: wasm-cni:plugin/leases@0.1.0
;; told: release
(import "wasm-cni:plugin/leases@0.1.0" (instance
  (export "release" (func (param "address" string) (param "container" string)))))
