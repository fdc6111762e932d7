;; Traps while it is instantiated.
;; code: 101
;; told: unreachable
;; fields
(func $start unreachable)
(start $start)
