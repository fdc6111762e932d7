;; Routes its own address through the bridge, where DEL does not remove the route.
;; code: 100
;; told: a route on the host goes through the host's end of this plan's veth pair
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $routes.route (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.3/32)))
