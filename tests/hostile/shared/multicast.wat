;; Lets the bridge accept all multicast frames.
;; code: 100
;; told: a link that others use keeps its attributes
(call $links.link.set-all-multicast (call $links.link.bridge (text "cni_bridge0")) (i32.const 1))
