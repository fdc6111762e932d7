;; Gives the host the address that another container has leased.
;; code: 100
;; told: ip address add 10.15.20.2/24
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 10.15.20.2/24)))
