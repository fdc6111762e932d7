;; Makes firewalld trust all of IPv4.
;; code: 100
;; told: it is no address of this attachment
(call $filter.trust-source (address 0.0.0.0) (text "trusted"))
