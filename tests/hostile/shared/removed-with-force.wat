;; Removes the operator's address, for a gateway on another link.
;; config: {"forceAddress": true}
;; code: 100
;; told: no gateway of that family takes its place
(call $delegate.add (text "host-local") (i32.const 512))
(call $addresses.remove (call $links.link.bridge (text "cni_bridge0")) (prefix 10.200.0.1/24))
(drop (call $addresses.address (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 10.15.20.1/32)))
