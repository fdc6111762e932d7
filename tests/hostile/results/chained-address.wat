;; As a chained plugin, reports another container's address after those of prevResult.
;; as: tuning
;; code: 100
;; told: it is no address of this attachment
(call $results.pass-previous)
(drop (call $results.ip (prefix 10.15.20.2/24)))
