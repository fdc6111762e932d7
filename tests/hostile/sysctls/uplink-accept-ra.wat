;; Sets a parameter of the host's uplink by its path.
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set (i32.const 0) (text "net/ipv6/conf/eth0/accept_ra") (text "2"))
