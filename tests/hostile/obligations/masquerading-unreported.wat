;; Leaves out masquerading of an address that it uses and does not report.
;; code: 100
;; told: leave out `ipMasq`
;; told: the configuration has `ipMasq`, which demands
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.3/24)))
