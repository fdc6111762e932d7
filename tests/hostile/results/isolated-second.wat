;; Isolates the second interface of prevResult.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "cni_bridge0"}, {"name": "docker0"}], "ips": [{"address": "10.15.20.3/24"}]}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "docker0") (i32.const 0) (i32.const 1))
