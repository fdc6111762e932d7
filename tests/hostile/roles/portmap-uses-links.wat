;; Sets the network's bridge up, and so could change it.
;; as: portmap
;; code: 100
;; told: plugin "portmap" is of kind chained and has no capability `links`
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(call $links.link.up (i32.load (i32.const 516)))
