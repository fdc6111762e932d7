;; Records a million actions.
;; code: 102
;; told: the plugin exceeded a limit: actions of a plan (4096)
(local $link i32)
(local.set $link (call $links.link.bridge (text "cni_bridge0")))
(loop $again (call $links.link.up (local.get $link)) (br $again))
