;; Calls a bridge as the directory above.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "..")))
