;; Sets a parameter with a path that leads to another one.
;; code: 103
;; told: sysctl key "../../../kernel/core_pattern"
(call $sysctls.set-link (call $links.link.veth (text "eth12")) (i32.const 0) (text "../../../kernel/core_pattern") (text "|/bin/sh"))
