;; Takes packets to an address over by a route in the table that the kernel asks first.
;; code: 100
;; told: a route on the host is in the main table
;; told: behind a bridge, the host needs no route to a container
(local $bridge i32) (local $host i32) (local $route i32)
(call $delegate.add (text "host-local") (i32.const 512))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(local.set $host (call $links.link.peer (call $links.link.veth (text "eth12"))))
(call $links.link.set-master (local.get $host) (local.get $bridge))
(local.set $route (call $routes.route (local.get $host) (prefix 10.15.20.3/32)))
(call $routes.route.set-table (local.get $route) (i32.const 255))
