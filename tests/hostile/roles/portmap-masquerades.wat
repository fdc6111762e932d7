;; Masquerades all packets of the container as the host's, though no configuration says `ipMasq`.
;; as: portmap
;; config: {"snat": false}
;; code: 100
;; told: the configuration does not say `ipMasq`
(drop (call $nat.masquerade (prefix 10.15.20.3/24)))
