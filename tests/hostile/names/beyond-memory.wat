;; Calls a bridge by a name that lies beyond its memory.
;; code: 101
;; told: out of bounds
(drop (call $links.link.bridge (i32.const -8) (i32.const 64)))
