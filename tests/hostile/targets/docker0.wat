;; Uses somebody else's bridge.
;; code: 100
;; told: the configuration names no link "docker0"
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "docker0")))
(call $links.link.set-master (call $links.link.peer (call $links.link.veth (text "eth12"))) (local.get $bridge))
