;; Masquerades the packets of another container, in nftables.
;; code: 100
;; told: it is no address of this attachment
(drop (call $nat.masquerade.with-backend (prefix 10.15.20.2/24) (i32.const 1)))
