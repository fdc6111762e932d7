;; Traps in `status`.
;; verb: STATUS
;; code: 101
;; told: plugin bridge trapped
unreachable
;; fields
(func (export "wasm-cni:plugin/status@0.1.0#status") (result i32) unreachable)
