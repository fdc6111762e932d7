;; Sets the parameter to another value.
;; as: tuning
;; config: {"sysctl": {"net.core.somaxconn": "500"}}
;; code: 100
;; told: leave out `sysctl`
;; told: the configuration has `sysctl`, which demands
(call $sysctls.set (i32.const 1) (text "net/core/somaxconn") (text "5"))
(call $results.pass-previous)
