;; Calls a bridge by no name.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "")))
