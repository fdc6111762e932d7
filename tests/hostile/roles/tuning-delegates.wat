;; Delegates to the IPAM plugin that its configuration names.
;; as: tuning
;; config: {"ipam": {"type": "host-local", "subnet": "10.15.20.0/24"}}
;; code: 100
;; told: plugin "tuning" is of kind chained and has no capability `delegate`
(call $delegate.add (text "host-local") (i32.const 512))
