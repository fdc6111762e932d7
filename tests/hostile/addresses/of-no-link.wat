;; Reports the addresses of a link that is not in the result.
;; code: 103
;; told: which is not
(call $results.add-addresses-of (call $links.link.veth (text "eth12")))
