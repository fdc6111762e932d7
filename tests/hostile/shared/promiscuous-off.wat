;; Switches promiscuous mode of the bridge off, which another network needs.
;; code: 100
;; told: a link that others use keeps its attributes
(call $links.link.set-promiscuous (call $links.link.bridge (text "cni_bridge0")) (i32.const 0))
