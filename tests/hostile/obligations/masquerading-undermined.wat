;; Masquerades as demanded, after a rule that accepts every packet first.
;; code: 100
;; told: masquerading keeps the prefix of the address's network
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
(drop (call $nat.masquerade (prefix 10.15.20.3/0)))
(drop (call $nat.masquerade (prefix 10.15.20.3/24)))
