;; Isolates the host's uplink, because the container's link of that name is the first in prevResult.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/var/run/netns/1234567890"}], "ips": [{"address": "10.15.20.3/24"}]}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "eth0") (i32.const 0) (i32.const 1))
