;; Makes a bridge with an Ethernet address of its choice.
;; code: 100
;; told: the Ethernet address of a shared link derives from its name or its gateway
(call $links.link.set-mac (call $links.link.bridge (text "cni_bridge0")) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
