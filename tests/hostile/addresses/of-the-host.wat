;; Gives the host an address outside of its networks.
;; code: 100
;; told: ip address add 8.8.8.8/32
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 8.8.8.8/32)))
