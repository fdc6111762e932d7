;; Lets the host forward packets of a neighbour whose address a port mapping has.
;; as: firewall
;; config: {"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.9"}]}}
;; code: 100
;; told: it is no address of this attachment
(call $filter.allow-forward (address 192.0.2.9) (text "CNI-ADMIN"))
