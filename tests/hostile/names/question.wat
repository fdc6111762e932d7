;; Asks for a link with a path as its name.
;; code: 103
;; told: interface name
(call $observe.find-link (i32.const 0) (text "../eth0") (i32.const 512))
