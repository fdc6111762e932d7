;; Names a bridge `..`.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "..")))
