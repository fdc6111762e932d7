;; Sets a parameter of the host that tuning may set in a container.
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.set (i32.const 0) (text "net/core/somaxconn") (text "1"))
