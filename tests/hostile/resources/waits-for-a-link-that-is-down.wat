;; Waits for a link that nobody sets up, as often as a plan allows, and holds the attachment's lock meanwhile.
;; code: 999
;; told: link lo is down
(local $lo i32)
(local $left i32)
(call $links.link.existing (i32.const 1) (text "lo") (i32.const 512))
(local.set $lo (i32.load (i32.const 516)))
(local.set $left (i32.const 1000))
(loop $again
  (call $links.link.settle (local.get $lo))
  (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
