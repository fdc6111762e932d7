;; Asks for a link by a path.
;; code: 103
;; told: interface name
(call $observe.find-link (i32.const 0) (text "../eth0") (i32.const 512))
