;; Leaves out one of two mapped ports.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}, {"hostPort": 8443, "containerPort": 443, "protocol": "tcp"}]}}
;; code: 100
;; told: leave out `portMappings`
;; told: the configuration has `portMappings`, which demands
(local $map i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.add (local.get $map) (text "tcp") (i32.const 8080) (i32.const 80) (i32.const 0) (address 0.0.0.0))
(call $nat.port-map.masquerade (local.get $map) (i32.const 0) (i32.const 13))
(call $results.pass-previous)
