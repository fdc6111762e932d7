;; Limits what the host sends, as bandwidth does.
;; code: 100
;; told: plugin "bridge" is of kind main and has no capability `qdiscs`
(call $qdiscs.limit (call $links.link.peer (call $links.link.veth (text "eth12"))) (i64.const 8) (i64.const 8))
