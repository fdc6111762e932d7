;; Reports its lease with a prefix that covers other networks.
;; code: 100
;; told: a result has the prefix of the address's network
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/8)) (address 10.15.20.1))
