;; Leaves out the isolation from other bridges.
;; as: firewall
;; config: {"ingressPolicy": "same-bridge"}
;; code: 100
;; told: leave out `ingressPolicy`
;; told: the configuration has `ingressPolicy`, which demands
(call $results.pass-previous)
