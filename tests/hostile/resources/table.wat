;; Allocates a huge table, to get around the memory limit.
;; code: 102
;; told: the plugin exceeded a limit: table elements (100000)
(loop $again (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $again))
;; fields
(table $table 1 funcref)
