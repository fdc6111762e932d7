;; Sends all containers' packets through a built-in chain.
;; code: 103
;; told: is no name of a chain of the administrator's
(call $filter.allow-forward (address 10.15.20.2) (text "INPUT"))
