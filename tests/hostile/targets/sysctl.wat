;; Sets a parameter of the host's own interface, through the link that it may use.
;; code: 103
;; told: sysctl key "../eth0/forwarding"
(call $sysctls.set-link (call $links.link.bridge (text "cni_bridge0")) (i32.const 0) (text "../eth0/forwarding") (text "1"))
