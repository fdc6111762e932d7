;; As the IPAM plugin, delegates to another IPAM plugin.
;; as: host-local
;; code: 100
;; told: delegate to "static"
(call $delegate.add (text "static") (i32.const 512))
