;; Gives a bridge an empty name.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "")))
