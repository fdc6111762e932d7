;; Uses a feature of WebAssembly that is switched off: gc.
;; code: 108
;; told: gc
(core module $unused (type (array i8)))
