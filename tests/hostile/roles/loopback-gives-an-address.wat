;; Gives the container an address.
;; as: loopback
;; code: 100
;; told: plugin "loopback" is of kind chained and has no capability `addresses`
(call $links.link.existing (i32.const 1) (text "lo") (i32.const 512))
(drop (call $addresses.address (i32.load (i32.const 516)) (prefix 10.15.20.3/32)))
