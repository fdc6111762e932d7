;; Puts its address into the trusted zone, though the configuration names another one.
;; as: firewall
;; config: {"firewalldZone": "public"}
;; code: 100
;; told: the zone is the one that the configuration names
(call $filter.trust-source (address 10.15.20.3) (text "trusted"))
