;; Lets packets from the container reach the host's 127.0.0.1.
;; as: bandwidth
;; code: 100
;; told: plugin "bandwidth" is of kind chained and has no capability `sysctls`
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/cni_bridge0/route_localnet") (text "1"))
