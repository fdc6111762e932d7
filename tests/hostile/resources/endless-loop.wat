;; Never ends.
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
(loop $again (br $again))
