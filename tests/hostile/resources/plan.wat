;; Records a plan of more than 8 MiB. In an unoptimised build the time limit ends it first.
;; code: 102
;; told: the plugin exceeded a limit: 
(local $link i32) (local $left i32)
(memory.fill (i32.const 40000) (i32.const 120) (i32.const 4096))
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $left (i32.const 2100))
(loop $again
  (call $sysctls.try-set-link (local.get $link) (i32.const 0) (text "tag") (i32.const 40000) (i32.const 4096))
  (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
