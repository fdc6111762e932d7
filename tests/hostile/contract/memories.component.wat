;; Is made with what WebAssembly has and we have switched off: multi.
;; code: 108
;; told: multi
(core module $unused (memory 1) (memory 1))
