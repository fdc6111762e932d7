;; Sends all containers' packets through a chain of somebody else.
;; code: 100
;; told: the administrator's chain is the one that the configuration names
(call $filter.allow-forward (address 10.15.20.2) (text "DOCKER-USER"))
