;; Is made with what WebAssembly has and we have switched off: gc.
;; code: 108
;; told: gc
(core module $unused (type (array i8)))
