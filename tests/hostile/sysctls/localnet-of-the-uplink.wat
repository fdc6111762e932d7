;; Lets neighbours of the host reach its 127.0.0.1, for the sake of a mapped port.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $observe.route-to (address 10.15.20.3) (i32.const 512))
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/eth0/route_localnet") (text "1"))
