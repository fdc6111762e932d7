;; Removes an IPv6 address of the bridge, for an IPv4 gateway.
;; config: {"forceAddress": true}
;; code: 100
;; told: no gateway of that family takes its place
(local $bridge i32)
(call $delegate.add (text "host-local") (i32.const 512))
(local.set $bridge (call $links.link.bridge (text "cni_bridge0")))
(call $addresses.remove (local.get $bridge) (prefix fd00::1/64))
(drop (call $addresses.address (local.get $bridge) (prefix 10.15.20.1/24)))
