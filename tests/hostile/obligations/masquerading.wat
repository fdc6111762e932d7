;; Leaves out masquerading, and uses its own address on the networks of the host.
;; code: 100
;; told: leave out `ipMasq`
;; told: the configuration has `ipMasq`, which demands
(call $delegate.add (text "host-local") (i32.const 512))
(call $results.ip.set-gateway (call $results.ip (prefix 10.15.20.3/24)) (address 10.15.20.1))
