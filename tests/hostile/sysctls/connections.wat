;; Forgets the host's tracked connections.
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.set (i32.const 0) (text "net/netfilter/nf_conntrack_max") (text "1"))
