;; Ends the comment of a rule and starts another rule.
;; code: 108
;; told: wasm-cni:plugin/nat@0.1.0
;; told: [method]masquerade.set-comment
(import "wasm-cni:plugin/nat@0.1.0" (instance
  (export "masquerade" (type $masquerade (sub resource)))
  (export "[method]masquerade.set-comment" (func (param "self" (borrow $masquerade)) (param "comment" string)))))
