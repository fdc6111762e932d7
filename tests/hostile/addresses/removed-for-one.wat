;; Takes an address of the operator's away from the bridge, for a gateway that is there already.
;; code: 100
;; told: the configuration does not say `forceAddress`
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $addresses.remove (local.get $bridge) (prefix 10.200.0.1/24))
(drop (call $addresses.address (local.get $bridge) (prefix 10.15.20.1/24)))
