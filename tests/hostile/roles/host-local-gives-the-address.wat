;; As the IPAM plugin, gives the container's loopback an address.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `addresses`
(call $links.link.existing (i32.const 1) (text "lo") (i32.const 512))
(drop (call $addresses.address (i32.load (i32.const 516)) (prefix 10.15.20.3/24)))
(drop (call $results.ip (prefix 10.15.20.3/24)))
