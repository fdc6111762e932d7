;; Makes no link of its own, and so no check of its Ethernet address.
;; config: {"macspoofchk": true, "ipMasq": false}
;; code: 100
;; told: leave out `macspoofchk`
;; told: the configuration has `macspoofchk`, which demands
(nop)
