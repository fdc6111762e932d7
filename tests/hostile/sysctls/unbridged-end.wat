;; Lets the host take addresses and routes from router advertisements of the container.
;; code: 100
;; told: the host's end of a pair without a bridge ignores router advertisements
;; told: leave out `bridge`
(local $container i32)
(local.set $container (call $links.link.veth (text "eth12")))
(call $links.link.up (call $links.link.peer (local.get $container)))
(call $links.link.up (local.get $container))
