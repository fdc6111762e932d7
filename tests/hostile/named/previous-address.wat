;; Reports another container's address, which is in a prevResult that a main plugin has no use for.
;; previous: {"cniVersion": "1.1.0", "ips": [{"address": "10.15.20.2/24"}]}
;; code: 100
;; told: report address 10.15.20.2/24
;; told: it is no address of this attachment
(drop (call $results.ip (prefix 10.15.20.2/24)))
