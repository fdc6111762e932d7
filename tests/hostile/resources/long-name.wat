;; Gives a link a name of 15 MB.
;; code: 103
;; told: interface name
(drop (memory.grow (i32.const 300)))
(memory.fill (i32.const 65536) (i32.const 120) (i32.const 15000000))
(drop (call $links.link.bridge (i32.const 65536) (i32.const 15000000)))
