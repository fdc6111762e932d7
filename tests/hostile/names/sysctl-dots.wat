;; Sets a parameter with dots in its name.
;; code: 103
;; told: sysctl key
(call $sysctls.set-link (call $links.link.veth (text "eth12")) (i32.const 0) (text "forwarding.eth0") (text "1"))
