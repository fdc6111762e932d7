;; Masquerades the container's packets.
;; as: bandwidth
;; code: 100
;; told: plugin "bandwidth" is of kind chained and has no capability `nat`
(drop (call $nat.masquerade (prefix 10.15.20.3/24)))
