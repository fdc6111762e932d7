;; Makes firewalld trust another container.
;; as: firewall
;; code: 100
;; told: it is no address of this attachment
(call $filter.trust-source (address 10.15.20.2) (text "trusted"))
