;; Gives a bridge a name with a slash.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "a/b")))
