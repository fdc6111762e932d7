;; Reads the host's own interface.
;; code: 100
;; told: look at link
;; told: the configuration names no link "eth0"
(call $observe.find-link (i32.const 0) (text "eth0") (i32.const 512))
