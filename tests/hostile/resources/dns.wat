;; Reports domains of 15 MB.
;; code: 102
;; told: the plugin exceeded a limit: DNS settings of a result (64 KiB)
(drop (memory.grow (i32.const 300)))
(call $results.set-dns-domain (i32.const 65536) (i32.const 15000000))
