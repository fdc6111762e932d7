;; Lets the host forward IPv6, so that it ignores its router's advertisements.
;; as: loopback
;; code: 100
;; told: plugin "loopback" is of kind chained and has no capability `sysctls`
(call $sysctls.enable-forwarding (i32.const 1))
