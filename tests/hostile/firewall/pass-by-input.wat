;; Has all containers' packets enter a chain of the kernel's.
;; code: 103
;; told: is no name of a chain of the administrator's
(call $filter.allow-forward (address 10.15.20.2) (text "INPUT"))
