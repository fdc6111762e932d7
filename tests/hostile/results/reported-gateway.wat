;; Reports a public address as the gateway of its lease.
;; code: 100
;; told: a result has the gateway of the address's network
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 8.8.8.8))
