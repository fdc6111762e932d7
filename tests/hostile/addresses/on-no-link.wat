;; Reports an address on a link that is not in the result.
;; code: 103
;; told: which is not reported
(call $results.ip.set-link (call $results.ip (prefix 10.15.20.9/24)) (call $links.link.veth (text "eth12")))
