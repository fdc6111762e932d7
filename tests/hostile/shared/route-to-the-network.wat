;; Routes the host's packets for all containers into its own pair.
;; code: 100
;; told: a route on the host leads to an address of this attachment
(drop (call $routes.route (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 10.15.20.0/24)))
