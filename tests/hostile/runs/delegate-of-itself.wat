;; Delegates to itself, as the IPAM plugin of the configuration.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `delegate`
(loop $again (call $delegate.add (text "host-local") (i32.const 512)) (br $again))
