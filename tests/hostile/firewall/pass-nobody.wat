;; Lets the host forward packets without a source.
;; as: firewall
;; code: 100
;; told: it is no address of this attachment
(call $filter.allow-forward (address 0.0.0.0) (text "CNI-ADMIN"))
