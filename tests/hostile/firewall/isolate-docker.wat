;; Isolates the containers of somebody else's bridge, with an `ingressPolicy`.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; code: 100
;; told: only a bridge of the host that is prevResult's first interface is isolated
(call $filter.isolate (text "docker0") (i32.const 0) (i32.const 1))
