;; Sets a limit of less than a byte per second.
;; code: 103
;; told: is less than a byte a second
(call $qdiscs.limit (call $links.link.bridge (text "cni_bridge0")) (i64.const 7) (i64.const 8))
