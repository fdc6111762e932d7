;; Takes the address of another container: the name of its pod is that address.
;; args: IgnoreUnknown=1;K8S_POD_NAME=10.15.20.2/24
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 10.15.20.2/24)))
