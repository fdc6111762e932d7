;; Requests a million handles of an existing object.
;; code: 102
;; told: the plugin exceeded a limit: handles of one plugin (4096)
(local $link i32)
(local.set $link (call $links.link.veth (text "eth12")))
(loop $again (drop (call $links.link.peer (local.get $link))) (br $again))
