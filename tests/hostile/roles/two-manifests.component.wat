;; Has two manifests, so that two readers see two kinds.
;; as: host-local
;; code: 108
;; told: wasm-cni
(@custom "wasm-cni" "{\"kind\":\"main\",\"cniVersions\":[\"1.1.0\"]}")
