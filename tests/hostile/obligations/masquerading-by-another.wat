;; Masquerades with another program than the configuration names.
;; config: {"ipMasqBackend": "nftables"}
;; code: 100
;; told: leave out `ipMasq`
;; told: the configuration has `ipMasq`, which demands
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
(drop (call $nat.masquerade.with-backend (prefix 10.15.20.3/24) (i32.const 0)))
