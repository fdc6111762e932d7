;; Gives the bridge the gateway with a longer prefix, so that other containers are not reached.
;; code: 100
;; told: its prefix is not that of the network whose gateway it is
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.1/26)))
