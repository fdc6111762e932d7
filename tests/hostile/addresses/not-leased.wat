;; Takes an address without a lease.
;; code: 100
;; told: ip address add 10.15.20.99/24
;; told: no lease, native delegate or configuration gives this address
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.99/24)))
