;; Traps when all is recorded, in the middle of what it may do.
;; code: 101
;; told: unreachable
(drop (call $links.link.bridge (text "cni_bridge0")))
unreachable
