;; Isolates the bridge as the plugin firewall does, though it is none.
;; config: {"ingressPolicy": "isolated"}
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "cni_bridge0"}]}
;; code: 100
;; told: only a chained plugin lets the host forward packets or isolates bridges
(call $filter.isolate (text "cni_bridge0") (i32.const 0) (i32.const 1))
