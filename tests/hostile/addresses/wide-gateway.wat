;; Gives the host the gateway of its network with a prefix that covers half of all addresses.
;; code: 100
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.1/1)))
