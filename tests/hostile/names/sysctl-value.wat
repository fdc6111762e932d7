;; Sets a parameter to a value with a line break.
;; code: 103
;; told: sysctl
(call $sysctls.set-link (call $links.link.veth (text "eth12")) (i32.const 0) (text "forwarding") (text "1\n1"))
