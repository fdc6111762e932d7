;; Makes a second veth pair, which no DEL would find.
;; code: 103
;; told: the plan makes the veth "eth12" twice
(drop (call $links.link.veth (text "eth12")))
(drop (call $links.link.veth (text "eth12")))
