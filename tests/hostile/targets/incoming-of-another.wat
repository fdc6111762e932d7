;; Redirects the packets that arrive through the network's bridge.
;; code: 100
;; told: only what passes the host's end of this attachment's own veth pair is limited
(drop (call $qdiscs.limit-incoming (call $links.link.bridge (text "cni_bridge0")) (i64.const 8) (i64.const 8)))
