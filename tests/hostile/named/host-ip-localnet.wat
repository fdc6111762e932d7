;; Lets neighbours reach the host's 127.0.0.1 through its uplink, on which a port is mapped.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.9"}]}}
;; code: 100
;; told: net/ipv4/conf/eth0/route_localnet
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/eth0/route_localnet") (text "1"))
