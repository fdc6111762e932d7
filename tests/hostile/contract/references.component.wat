;; Uses a feature of WebAssembly that is switched off: function references.
;; code: 108
;; told: function references
(core module $unused (type $f (func)) (func (param (ref null $f))))
