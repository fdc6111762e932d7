;; Learns which link of the host leads to a neighbour, whose address a port mapping has.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.9"}]}}
;; code: 100
;; told: only routes to one's own addresses are told
(call $observe.route-to (address 192.0.2.9) (i32.const 512))
