;; Returns a result that lies beyond its memory.
;; code: 101
;; told: 
(return (i32.const -4))
