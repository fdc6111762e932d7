;; Names a firewall backend that does not exist.
;; code: 101
;; told: discriminant
(drop (call $nat.masquerade.with-backend (prefix 10.15.20.2/24) (i32.const 7)))
