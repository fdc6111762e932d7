;; Limits the network's bridge to almost nothing.
;; code: 100
;; told: only what passes the host's end of this attachment's own veth pair is limited
(call $qdiscs.limit (call $links.link.bridge (text "cni_bridge0")) (i64.const 8) (i64.const 8))
