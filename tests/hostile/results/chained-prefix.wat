;; As a chained plugin, reports the address with a prefix that covers other networks.
;; as: tuning
;; code: 100
;; told: a result has the prefix of the address's network
(drop (call $results.ip (prefix 10.15.20.3/8)))
