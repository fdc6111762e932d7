;; Names a parameter of the host's uplink as that of the interface.
;; as: tuning
;; config: {"sysctl": {"net.ipv4.conf.eth0.rp_filter": "0"}}
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/eth0/rp_filter") (text "0"))
