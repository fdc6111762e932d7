;; Uses the bridge of another network, which its configuration has for another plugin.
;; as: dummy
;; code: 100
;; told: the configuration names no link "cni_bridge0"
(drop (call $links.link.bridge (text "cni_bridge0")))
