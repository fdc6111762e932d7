;; Puts an address into a zone that the configuration does not name.
;; code: 100
;; told: the zone is the one that the configuration names
(call $filter.trust-source (address 10.15.20.3) (text "drop"))
