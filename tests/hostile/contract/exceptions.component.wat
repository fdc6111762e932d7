;; Is made with what WebAssembly has and we have switched off: exceptions.
;; code: 108
;; told: exceptions
(core module $unused (tag))
