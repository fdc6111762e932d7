;; Takes the port of another protocol.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: only ports that runtimeConfig maps are mapped
(local $map i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.add (local.get $map) (text "udp") (i32.const 8080) (i32.const 80) (i32.const 0) (address 0.0.0.0))
(call $nat.port-map.masquerade (local.get $map) (i32.const 0) (i32.const 13))
