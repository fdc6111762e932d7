;; Limits a link in the container, where the host has no queue.
;; code: 103
;; told: is not a link of the host
(call $qdiscs.limit (call $links.link.veth (text "eth12")) (i64.const 8) (i64.const 8))
