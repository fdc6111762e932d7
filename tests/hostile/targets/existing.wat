;; Sets the host's own interface down and up, as an existing link.
;; code: 100
;; told: look at link eth0
;; told: the configuration names no link "eth0"
(call $links.link.existing (i32.const 0) (text "eth0") (i32.const 512))
(if (i32.load8_u (i32.const 512)) (then (call $links.link.up (i32.load (i32.const 516)))))
