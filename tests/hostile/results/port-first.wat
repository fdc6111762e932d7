;; Reports its host end first, so that a later firewall isolates that instead of the bridge.
;; code: 100
;; told: a result has the bridge first, or else the host's end
(local $link i32)
(local.set $link (call $links.link.veth (text "eth12")))
(call $links.link.set-master (call $links.link.peer (local.get $link)) (call $links.link.bridge (text "cni_bridge0")))
(call $results.add-link (call $links.link.peer (local.get $link)))
(call $results.add-link (local.get $link))
