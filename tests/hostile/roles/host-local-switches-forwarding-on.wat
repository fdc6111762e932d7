;; As the IPAM plugin, lets the host forward packets.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `sysctls`
(call $sysctls.enable-forwarding (i32.const 0))
(drop (call $results.ip (prefix 10.15.20.3/24)))
