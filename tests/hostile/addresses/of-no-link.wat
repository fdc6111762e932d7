;; Has the addresses of a link told that it does not tell.
;; code: 103
;; told: which is not
(call $results.add-addresses-of (call $links.link.veth (text "eth12")))
