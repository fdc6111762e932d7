;; Reports the address of another container as its own.
;; code: 100
;; told: report address 10.15.20.2/24
;; told: it is no address of this attachment
(drop (call $results.ip (prefix 10.15.20.2/24)))
