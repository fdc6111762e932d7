;; Puts a rule into the chain INPUT.
;; code: 108
;; told: wasm-cni:plugin/nat@0.1.0
;; told: [static]masquerade.in-chain
(import "wasm-cni:plugin/nat@0.1.0" (instance
  (export "masquerade" (type $masquerade (sub resource)))
  (export "[static]masquerade.in-chain" (func (param "chain" string) (result (own $masquerade))))))
