;; Isolates the bridge for the family of which the container has no address.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; code: 100
;; told: leave out `ingressPolicy`
;; told: the configuration has `ingressPolicy`, which demands
(call $filter.isolate (text "cni_bridge0") (i32.const 1) (i32.const 1))
(call $results.pass-previous)
