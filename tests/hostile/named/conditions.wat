;; Gives the host an address of a network that only the conditions of port mappings have.
;; config: {"conditionsV4": ["!", "-d", "10.0.0.0/8"]}
;; code: 100
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 10.0.0.1/8)))
