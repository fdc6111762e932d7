;; Reads the host's passwords through the contract.
;; code: 100
;; told: read /etc/shadow
;; told: the configuration names no such file
(call $observe.read-file (text "/etc/shadow") (i32.const 512))
