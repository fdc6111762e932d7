;; Calls a bridge by a path.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "a/b")))
