;; Gives the host all of IPv6's global addresses, which only the conditions of port mappings have.
;; config: {"conditionsV6": ["-s", "2000::/3"]}
;; code: 100
;; told: it is no gateway of an address of this attachment
(drop (call $addresses.address (call $links.link.bridge (text "cni_bridge0")) (prefix 2000::1/3)))
