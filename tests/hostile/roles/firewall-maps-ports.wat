;; Maps a port of the host, as portmap does.
;; as: firewall
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: plugin "firewall" is of kind chained and has no capability `nat`
(local $map i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.add (local.get $map) (text "tcp") (i32.const 8080) (i32.const 80) (i32.const 0) (address 0.0.0.0))
