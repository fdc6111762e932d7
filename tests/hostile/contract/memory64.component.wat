;; Uses a feature of WebAssembly that is switched off: memory64.
;; code: 108
;; told: memory64
(core module $unused (memory i64 1))
