;; Changes the host's table of neighbours.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set (i32.const 0) (text "net/ipv4/neigh/cni_bridge0/base_reachable_time") (text "1"))
