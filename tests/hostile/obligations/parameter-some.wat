;; Sets one of two parameters.
;; as: tuning
;; config: {"sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.rp_filter": "1"}}
;; code: 100
;; told: leave out `sysctl`
;; told: the configuration has `sysctl`, which demands
(call $sysctls.set (i32.const 1) (text "net/core/somaxconn") (text "500"))
(call $results.pass-previous)
