;; Reports a million addresses.
;; code: 102
;; told: the plugin exceeded a limit: entries of a result (4096)
(loop $again (drop (call $results.ip (prefix 10.15.20.3/24))) (br $again))
