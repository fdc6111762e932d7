;; Lets the host forward the container's packets, as the plugin firewall does.
;; as: portmap
;; code: 100
;; told: plugin "portmap" is of kind chained and has no capability `filter`
(call $filter.allow-forward (address 10.15.20.3) (text "CNI-ADMIN"))
