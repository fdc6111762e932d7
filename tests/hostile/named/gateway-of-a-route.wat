;; Gives the host the address of its own router, which a route of the container has as its gateway.
;; config: {"ipam": {"routes": [{"dst": "0.0.0.0/0", "gw": "192.0.2.254"}]}}
;; code: 100
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 192.0.2.254/24)))
