;; Removes an address of the operator from the bridge, for a gateway that already exists.
;; code: 100
;; told: the configuration does not say `forceAddress`
(local $bridge i32)
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $addresses.remove (local.get $bridge) (prefix 10.200.0.1/24))
(drop (call $addresses.address (local.get $bridge) (prefix 10.15.20.1/24)))
