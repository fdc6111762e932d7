;; Gives the host an address of the world.
;; code: 100
;; told: ip address add 8.8.8.8/32
;; told: it is no gateway of a network that the configuration names
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 8.8.8.8/32)))
