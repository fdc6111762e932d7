;; Gives a link a multicast MAC.
;; code: 103
;; told: no link can have the MAC 01:00:5e:00:00:01
(call $links.link.set-mac (call $links.link.veth (text "eth12")) (i32.const 1) (i32.const 0) (i32.const 94) (i32.const 0) (i32.const 0) (i32.const 1))
