;; Isolates the bridge, though the configuration has no `ingressPolicy`.
;; as: firewall
;; code: 100
;; told: the configuration has another `ingressPolicy`
(call $filter.isolate (text "cni_bridge0") (i32.const 0) (i32.const 1))
