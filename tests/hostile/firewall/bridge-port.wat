;; Drops the packets that arrive through the network's bridge.
;; code: 103
;; told: is not the host's end of a veth pair
(call $filter.check-source-mac (call $links.link.bridge (text "cni_bridge0")))
