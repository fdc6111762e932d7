;; Gives the container another container's address.
;; as: tuning
;; code: 100
;; told: plugin "tuning" is of kind chained and has no capability `addresses`
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(drop (call $addresses.address (i32.load (i32.const 516)) (prefix 10.15.20.2/24)))
