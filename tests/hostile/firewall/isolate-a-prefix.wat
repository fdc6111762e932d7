;; Isolates every bridge whose name begins so.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "cni+") (i32.const 0) (i32.const 1))
