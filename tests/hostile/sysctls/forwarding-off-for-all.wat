;; Stops the forwarding of the host.
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.set (i32.const 0) (text "net/ipv4/ip_forward") (text "0"))
