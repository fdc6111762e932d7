;; Takes bridged packets away from the host's rules.
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $sysctls.set (i32.const 0) (text "net/bridge/bridge-nf-call-iptables") (text "0"))
