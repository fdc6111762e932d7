;; Switches the hooks of tunnels on for the whole kernel, which nothing switches off again.
;; as: tuning
;; config: {"sysctl": {"net.netfilter.nf_hooks_lwtunnel": "1"}}
;; code: 100
;; told: the parameter changes more than the container
(call $sysctls.set (i32.const 1) (text "net/netfilter/nf_hooks_lwtunnel") (text "1"))
