;; As the IPAM plugin, lets neighbours of the host reach its 127.0.0.1.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `sysctls`
(call $sysctls.set (i32.const 0) (text "net/ipv4/conf/eth0/route_localnet") (text "1"))
(drop (call $results.ip (prefix 10.15.20.3/24)))
