;; Reports another bridge as its own, so that a later firewall isolates that.
;; code: 100
;; told: the configuration names no link "docker0"
(call $links.link.existing (i32.const 0) (text "docker0") (i32.const 512))
(if (i32.load8_u (i32.const 512)) (then (call $results.add-link (i32.load (i32.const 516)))))
