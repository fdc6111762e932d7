;; Gives a link an address whose network part is longer than the address.
;; code: 103
;; told: 10.15.20.3/33
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.3/33)))
