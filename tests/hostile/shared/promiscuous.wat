;; Switches promiscuous mode of the bridge on.
;; code: 100
;; told: the configuration does not set `promiscMode`
(call $links.link.promiscuous (call $links.link.bridge (text "cni_bridge0")))
