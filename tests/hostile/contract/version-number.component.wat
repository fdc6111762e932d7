;; Supports a version that is no text.
;; code: 108
;; told: the custom section `wasm-cni` is invalid
;; verb: VERSION
;; versions: [1.1, "1.1.0"]
