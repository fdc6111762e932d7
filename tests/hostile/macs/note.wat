;; Takes another container's Ethernet address, which a remark in the configuration mentions.
;; config: {"note": "0a:58:0a:0f:14:02", "ipam": {"mac": "0a:58:0a:0f:14:02"}}
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.set-mac (call $links.link.veth (text "eth12")) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
