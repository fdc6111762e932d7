;; Never returns from `status`.
;; verb: STATUS
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
unreachable
;; fields
(func (export "wasm-cni:plugin/status@0.1.0#status") (result i32) (loop $again (br $again)) unreachable)
