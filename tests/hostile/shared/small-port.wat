;; Lowers the MTU of the bridge for all of its containers: the bridge takes the lowest of its ports.
;; code: 100
;; told: the MTU of a bridge's port is the one that the configuration names
(local $link i32)
(local.set $link (call $links.link.veth (text "eth12")))
(call $links.link.set-mtu (local.get $link) (i32.const 68))
(call $links.link.set-master (call $links.link.peer (local.get $link)) (call $links.link.bridge (text "cni_bridge0")))
