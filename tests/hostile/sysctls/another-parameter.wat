;; Sets another parameter than route_localnet of the bridge.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $observe.route-to (address 10.15.20.3) (i32.const 512))
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/cni_bridge0/accept_local") (text "1"))
