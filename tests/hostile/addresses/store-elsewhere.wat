;; Keeps leases in a directory of the host.
;; as: host-local
;; code: 100
;; told: leases are kept below /var/lib/cni/networks
(call $leases.store.open (i32.const 1) (text "/etc") (i32.const 512))
