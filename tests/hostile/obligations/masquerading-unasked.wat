;; Hides behind the host's address, though the configuration has no `ipMasq`.
;; config: {"ipMasq": false}
;; code: 100
;; told: the configuration does not say `ipMasq`
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
(drop (call $nat.masquerade (prefix 10.15.20.3/24)))
