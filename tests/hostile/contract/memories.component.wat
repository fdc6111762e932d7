;; Uses a feature of WebAssembly that is switched off: multi.
;; code: 108
;; told: multi
(core module $unused (memory 1) (memory 1))
