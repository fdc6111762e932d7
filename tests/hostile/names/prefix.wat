;; Gives a link an address with a prefix that is longer than the address.
;; code: 103
;; told: 10.15.20.3/33
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.3/33)))
