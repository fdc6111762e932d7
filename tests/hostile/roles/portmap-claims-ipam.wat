;; Claims in its manifest to be an IPAM plugin, for the lease stores.
;; as: portmap
;; kind: ipam
;; code: 100
;; told: plugin "portmap" is of kind chained, and its component claims ipam
