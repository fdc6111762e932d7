;; Leaves out the isolation of the bridge.
;; as: firewall
;; config: {"ingressPolicy": "isolated"}
;; code: 100
;; told: leave out `ingressPolicy`
;; told: the configuration has `ingressPolicy`, which demands
(call $filter.allow-forward (address 10.15.20.3) (text "CNI-ADMIN"))
(call $results.pass-previous)
