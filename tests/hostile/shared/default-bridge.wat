;; Joins the bridge of another network, whose name is the default.
;; code: 100
;; told: the configuration names no link "cni0"
(call $links.link.set-master (call $links.link.peer (call $links.link.veth (text "eth12"))) (call $links.link.bridge (text "cni0")))
