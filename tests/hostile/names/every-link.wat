;; Sets a parameter of every link of the host, as the parameter of a link named `all`.
;; code: 103
;; told: interface name "all" stands for every link
(call $sysctls.try-set-link (call $links.link.bridge (text "all")) (i32.const 0) (text "rp_filter") (text "0"))
