;; Lets neighbours and containers reach the host's 127.0.0.1 through every link.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: on the host only forwarding may be switched on, and only by a main plugin
(call $observe.route-to (address 10.15.20.3) (i32.const 512))
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/all/route_localnet") (text "1"))
