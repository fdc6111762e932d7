;; Diverts the packets for the lower half of the network into its own pair.
;; code: 100
;; told: the host's end gets a gateway's address alone, without its network
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $addresses.address (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 10.15.20.1/25)))
