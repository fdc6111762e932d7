;; Isolates the containers of the bridge from each other, though the configuration says `same-bridge`.
;; as: firewall
;; config: {"ingressPolicy": "same-bridge"}
;; code: 100
;; told: the configuration has another `ingressPolicy`
(call $filter.isolate (text "cni_bridge0") (i32.const 0) (i32.const 1))
