;; Gives its host end the Ethernet address that the configuration has for the container.
;; config: {"mac": "02:00:00:00:00:01"}
;; code: 100
;; told: the Ethernet address of the host's end derives from the attachment
(call $links.link.set-mac (call $links.link.peer (call $links.link.veth (text "eth12"))) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
