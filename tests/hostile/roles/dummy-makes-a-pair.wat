;; Connects the container with the host, though a dummy network has no way out.
;; as: dummy
;; code: 100
;; told: the plugin's type makes no veth pair
(call $links.link.up (call $links.link.veth (text "eth12")))
