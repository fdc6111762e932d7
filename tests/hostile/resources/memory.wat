;; Allocates memory until there is none left.
;; code: 102
;; told: the plugin exceeded a limit: memory (64 MiB)
(loop $again (drop (memory.grow (i32.const 16))) (br $again))
