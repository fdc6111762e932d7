;; Makes the shared chains of port mappings, though no port is mapped.
;; as: portmap
;; config: {}
;; code: 100
;; told: only ports that runtimeConfig maps are mapped
(local $map i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(call $nat.port-map.masquerade (local.get $map) (i32.const 0) (i32.const 13))
