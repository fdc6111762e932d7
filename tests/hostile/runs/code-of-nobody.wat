;; Fails with a code that the specification reserves, which a runtime may give a meaning of its own.
;; code: 999
;; told: reserved
(return (call $fail (i32.const 42) (text "reserved")))
