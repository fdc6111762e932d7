;; Calls a bridge as an option of ip.
;; code: 103
;; told: interface name
(drop (call $links.link.bridge (text "-batch /tmp/x")))
