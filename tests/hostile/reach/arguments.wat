;; Looks for secrets in the arguments; records a foreign link if it finds any.
;; code: 999
;; told: nothing there
(call $environment.get-arguments (i32.const 512))
(if (i32.load (i32.const 516)) (then (drop (call $links.link.bridge (text "leaked")))))
(return (call $fail (i32.const 999) (text "nothing there")))
