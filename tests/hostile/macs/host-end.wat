;; Gives its host end the Ethernet address of another container.
;; code: 100
;; told: the Ethernet address of the host's end derives from the attachment
(call $links.link.set-mac (call $links.link.peer (call $links.link.veth (text "eth12"))) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
