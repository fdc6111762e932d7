;; Claims in its manifest to be a chained plugin.
;; as: static
;; kind: chained
;; code: 100
;; told: plugin "static" is of kind ipam, and its component claims chained
