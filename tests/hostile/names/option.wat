;; Gives a bridge a name that is an option of ip(8).
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "-batch /tmp/x")))
