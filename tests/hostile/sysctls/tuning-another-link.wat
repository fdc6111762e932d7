;; Sets a parameter of a link that another network has in the container.
;; as: tuning
;; code: 100
;; told: neither a parameter of a link of this plan nor one that the configuration names
(call $sysctls.set (i32.const 1) (text "net/ipv4/conf/net1/forwarding") (text "1"))
