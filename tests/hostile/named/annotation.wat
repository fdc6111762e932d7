;; Takes an address of somebody else's network, which an annotation of the pod has.
;; config: {"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"net": "172.17.0.5/16"}}}
;; code: 100
;; told: no lease, native delegate or configuration gives this address
(drop (call $addresses.address (call $links.link.veth (text "eth12")) (prefix 172.17.0.5/16)))
