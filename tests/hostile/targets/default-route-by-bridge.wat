;; Routes all traffic of the host to a gateway on the network's bridge.
;; code: 100
;; told: a route on the host goes through the host's end of this plan's veth pair
(local $route i32)
(local.set $route (call $routes.route (call $links.link.bridge (text "cni_bridge0")) (prefix ::/0)))
(call $routes.route.set-gateway (local.get $route) (address fd00::1))
