;; Masquerades the packets of another container.
;; code: 100
;; told: it is no address of this attachment
(drop (call $nat.masquerade (prefix 10.15.20.2/24)))
