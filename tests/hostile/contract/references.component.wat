;; Is made with what WebAssembly has and we have switched off: function references.
;; code: 108
;; told: function references
(core module $unused (type $f (func)) (func (param (ref null $f))))
