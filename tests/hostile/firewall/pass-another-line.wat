;; Ends the line with a chain's name and starts another one.
;; code: 103
;; told: is no name of a chain of the administrator's
(call $filter.allow-forward (address 10.15.20.2) (text "X\0a-A INPUT -j ACCEPT"))
