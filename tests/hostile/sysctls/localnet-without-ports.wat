;; Lets containers reach the host's 127.0.0.1, though no port is mapped.
;; as: portmap
;; config: {}
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $observe.route-to (address 10.15.20.3) (i32.const 512))
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/cni_bridge0/route_localnet") (text "1"))
