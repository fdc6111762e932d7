;; Lets the container use any source address, through its own pair.
;; code: 100
;; told: is not among the values that are allowed for a veth's host end
(call $sysctls.set-link (call $links.link.peer (call $links.link.veth (text "eth12"))) (i32.const 0) (text "rp_filter") (text "0"))
