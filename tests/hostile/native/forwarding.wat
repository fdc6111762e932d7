;; Lets the host forward packets, while a native bridge waits for its address.
;; as: host-local
;; code: 100
;; told: plugin "host-local" is of kind ipam and has no capability `sysctls`
(call $sysctls.enable-forwarding (i32.const 1))
