;; Names a firewall that there is not.
;; code: 101
;; told: discriminant
(drop (call $nat.masquerade.with-backend (prefix 10.15.20.2/24) (i32.const 7)))
