;; Keeps leases in a directory with a relative path.
;; code: 103
;; told: no absolute path
(call $leases.store.open (i32.const 1) (text "../../../etc") (i32.const 512))
