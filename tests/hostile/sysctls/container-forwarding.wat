;; Sets a parameter of the container that no configuration names.
;; code: 100
;; told: neither a parameter of a link of this plan nor one that the configuration names
(call $sysctls.set (i32.const 1) (text "net/ipv4/ip_forward") (text "1"))
