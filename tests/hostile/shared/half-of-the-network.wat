;; Diverts the packets for the lower half of the network into its own pair.
;; code: 100
;; told: its prefix is not that of the network whose gateway it is
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $addresses.address (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 10.15.20.1/25)))
