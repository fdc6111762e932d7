;; Isolates the bridge with the policy `open`.
;; as: firewall
;; config: {"ingressPolicy": "open"}
;; code: 100
;; told: the configuration has another `ingressPolicy`
(call $filter.isolate (text "cni_bridge0") (i32.const 0) (i32.const 0))
