;; Masquerades all packets.
;; code: 100
;; told: it is no address of this attachment
(drop (call $nat.masquerade (prefix 0.0.0.0/0)))
