;; As the main plugin, takes the requested address without its IPAM plugin.
;; args: IP=10.15.20.77/24
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.77/24)))
