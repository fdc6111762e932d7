;; Maps the port on another address, which is that of a neighbour.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"}]}}
;; code: 100
;; told: only ports that runtimeConfig maps are mapped
(local $map i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.add (local.get $map) (text "tcp") (i32.const 8080) (i32.const 80) (i32.const 1) (address 192.0.2.9))
(call $nat.port-map.masquerade (local.get $map) (i32.const 0) (i32.const 13))
