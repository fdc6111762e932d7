;; Routes the host's packets into the container, to a destination of one of the container's routes.
;; code: 100
;; told: a route on the host leads to an address of this attachment
(drop (call $routes.route (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 1.1.1.1/32)))
