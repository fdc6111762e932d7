;; Isolates the host's uplink, with an `ingressPolicy`.
;; as: firewall
;; config: {"ingressPolicy": "same-bridge"}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "eth0") (i32.const 0) (i32.const 0))
