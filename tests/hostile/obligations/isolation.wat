;; Leaves out the isolation of its port, to reach other containers.
;; config: {"portIsolation": true, "ipMasq": false}
;; code: 100
;; told: leave out `portIsolation`
;; told: the configuration has `portIsolation`, which demands
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
