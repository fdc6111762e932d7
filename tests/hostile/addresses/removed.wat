;; Removes the network's gateway from its bridge.
;; code: 100
;; told: no gateway of that family takes its place
(call $addresses.remove (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.1/24))
