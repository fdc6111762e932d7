;; Lets the host forward packets with its own address as the source.
;; as: firewall
;; code: 100
;; told: it is no address of this attachment
(call $filter.allow-forward (address 10.15.20.1) (text "CNI-ADMIN"))
