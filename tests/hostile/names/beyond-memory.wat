;; Gives a bridge a name beyond the end of the guest's memory.
;; code: 101
;; told: out of bounds
(drop (call $links.link.bridge (i32.const -8) (i32.const 64)))
