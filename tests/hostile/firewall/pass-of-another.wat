;; Makes the host forward the packets of another container.
;; code: 100
;; told: it is no address of this attachment
(call $filter.allow-forward (address 10.15.20.2) (text "CNI-ADMIN"))
