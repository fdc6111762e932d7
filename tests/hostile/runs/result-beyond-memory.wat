;; Returns a result beyond the end of its memory.
;; code: 101
;; told: 
(return (i32.const -4))
