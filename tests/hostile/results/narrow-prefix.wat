;; As the IPAM plugin, gives the address with a longer prefix, so that the bridge diverts a part of the network.
;; as: host-local
;; config: {"bridge": "cni_bridge1"}
;; code: 100
;; told: its prefix is not that of the network whose gateway it is
(call $leases.store.open (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
(call $leases.store.reserve (i32.load (i32.const 516)) (address 10.15.20.3) (i32.const 0))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/29)) (address 10.15.20.1))
