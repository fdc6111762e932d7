;; Reports another container's address beside its lease.
;; code: 100
;; told: it is no address of this attachment
(call $delegate.add (text "host-local") (i32.const 512))
(drop (call $results.ip (prefix 10.15.20.3/24)))
(drop (call $results.ip (prefix 10.15.20.2/24)))
