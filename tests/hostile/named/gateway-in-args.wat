;; Gives the host a gateway that whoever starts the container chose outside of the address's network.
;; as: static
;; args: IgnoreUnknown=1;IP=10.15.20.77/24;GATEWAY=192.0.2.254
;; config: {"bridge": "cni_bridge1", "ipam": {"subnet": null}}
;; code: 100
;; told: it is no gateway of an address of this attachment
(local $ip i32)
(local.set $ip (call $results.ip (prefix 10.15.20.77/24)))
(call $results.ip.set-gateway (local.get $ip) (address 192.0.2.254))
