;; Maps a port of the host, which is for portmap with its conditions.
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: only a chained plugin maps ports
(local $map i32)
(call $delegate.add (text "host-local") (i32.const 512))
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.add (local.get $map) (text "tcp") (i32.const 8080) (i32.const 80) (i32.const 0) (address 0.0.0.0))
