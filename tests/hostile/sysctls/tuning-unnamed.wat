;; Sets a parameter of the container beside the one that the configuration names.
;; as: tuning
;; config: {"sysctl": {"net.core.somaxconn": "500"}}
;; code: 100
;; told: neither a parameter of a link of this plan nor one that the configuration names
(call $sysctls.set (i32.const 1) (text "net/core/somaxconn") (text "500"))
(call $sysctls.set (i32.const 1) (text "net/ipv4/tcp_syncookies") (text "0"))
