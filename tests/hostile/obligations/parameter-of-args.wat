;; Sets the parameter of the configuration, which `args.cni` replaces.
;; as: tuning
;; config: {"sysctl": {"net.core.somaxconn": "500"}, "args": {"cni": {"sysctl": {"net.core.somaxconn": "7"}}}}
;; code: 100
;; told: leave out `sysctl`
;; told: the configuration has `sysctl`, which demands
(call $sysctls.set (i32.const 1) (text "net/core/somaxconn") (text "500"))
(call $results.pass-previous)
