;; Is made with what WebAssembly has and we have switched off: memory64.
;; code: 108
;; told: memory64
(core module $unused (memory i64 1))
