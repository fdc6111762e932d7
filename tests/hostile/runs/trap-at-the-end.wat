;; Traps after it has recorded everything, with a plan that is allowed.
;; code: 101
;; told: unreachable
(drop (call $links.link.bridge (text "cni_bridge0")))
unreachable
