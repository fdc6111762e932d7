;; Sets a parameter of the bridge, which prevResult has.
;; as: tuning
;; code: 100
;; told: is not the host's end of this attachment's veth pair
(call $sysctls.set (i32.const 0) (text "net/ipv6/conf/cni_bridge0/accept_ra") (text "2"))
