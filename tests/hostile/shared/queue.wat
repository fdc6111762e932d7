;; Takes away the queue of the bridge.
;; code: 100
;; told: a link that others use keeps its attributes
(call $links.link.set-queue-length (call $links.link.bridge (text "cni_bridge0")) (i32.const 0))
