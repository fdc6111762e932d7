;; Reports an address outside of its networks as its own.
;; code: 100
;; told: report address 8.8.8.8/32
;; told: it is no address of this attachment
(drop (call $results.ip (prefix 8.8.8.8/32)))
