;; Gives the container's loopback the address that another container has leased.
;; code: 100
;; told: ip address add 10.15.20.2/32
;; told: no lease, native delegate or configuration gives this address
(call $links.link.existing (i32.const 1) (text "lo") (i32.const 512))
(drop (call $addresses.address (i32.load (i32.const 516)) (prefix 10.15.20.2/32)))
