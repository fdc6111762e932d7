;; Leaves out the check of its Ethernet address, to use that of another container.
;; config: {"macspoofchk": true, "ipMasq": false}
;; code: 100
;; told: leave out `macspoofchk`
;; told: the configuration has `macspoofchk`, which demands
(local $link i32) (local $port i32) (local $bridge i32)
(local.set $link (call $links.link.veth (text "eth12")))
(local.set $port (call $links.link.peer (local.get $link)))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $links.link.set-master (local.get $port) (local.get $bridge))
