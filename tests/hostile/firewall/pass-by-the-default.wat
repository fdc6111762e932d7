;; Sends packets through the default chain, though the configuration names another one.
;; as: firewall
;; config: {"iptablesAdminChainName": "ADMIN"}
;; code: 100
;; told: the administrator's chain is the one that the configuration names
(call $filter.allow-forward (address 10.15.20.3) (text "CNI-ADMIN"))
