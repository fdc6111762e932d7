;; Uses a feature of WebAssembly that is switched off: exceptions.
;; code: 108
;; told: exceptions
(core module $unused (tag))
