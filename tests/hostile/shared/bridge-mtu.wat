;; Makes a bridge that passes no IPv6: its MTU is 68.
;; code: 100
;; told: the MTU of a bridge is the one that the configuration names
(call $links.link.set-mtu (call $links.link.bridge (text "cni_bridge0")) (i32.const 68))
