;; Isolates the bridge less than the configuration says.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; code: 100
;; told: leave out `ingressPolicy`
;; told: the configuration has `ingressPolicy`, which demands
(call $filter.isolate (text "cni_bridge0") (i32.const 0) (i32.const 0))
(call $results.pass-previous)
