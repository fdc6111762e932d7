;; Sets a parameter of all links that the host gets later.
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.set (i32.const 0) (text "net/ipv6/conf/default/accept_ra") (text "2"))
