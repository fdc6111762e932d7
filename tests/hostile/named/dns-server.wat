;; Takes the address of the name server, to answer in its place.
;; config: {"dns": {"nameservers": ["192.0.2.53"]}}
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 192.0.2.53/24)))
