;; Isolates the host's bridge, because another container's link of that name is the first in prevResult.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "docker0", "sandbox": "/var/run/netns/other"}], "ips": [{"address": "10.15.20.3/24"}]}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "docker0") (i32.const 0) (i32.const 1))
