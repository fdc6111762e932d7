;; Makes the host end of its veth pair a port of the container end.
;; code: 101
;; told: is no bridge of this plan
(local $link i32)
(local.set $link (call $links.link.veth (text "eth12")))
(call $links.link.set-master (call $links.link.peer (local.get $link)) (local.get $link))
