;; Leaves out a mapped port, so that another program gets its packets.
;; as: portmap
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}
;; code: 100
;; told: leave out `portMappings`
;; told: the configuration has `portMappings`, which demands
(call $results.pass-previous)
