;; Claims in its manifest to be a chained plugin, so that a runtime's prevResult gives it addresses.
;; kind: chained
;; previous: {"cniVersion": "1.1.0", "ips": [{"address": "10.15.20.2/24"}]}
;; code: 100
;; told: plugin "bridge" is of kind main, and its component claims chained
(drop (call $results.ip (prefix 10.15.20.2/24)))
