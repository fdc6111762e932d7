;; Routes all traffic of the host into the container.
;; code: 100
;; told: a route on the host leads to an address of this attachment
(drop (call $routes.route (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 0.0.0.0/0)))
