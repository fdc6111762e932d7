;; Claims in its manifest to be an IPAM plugin, so that its configuration is not checked.
;; kind: ipam
;; code: 100
;; told: plugin "bridge" is of kind main, and its component claims ipam
