;; Reads a link of the host that a device plugin named.
;; config: {"runtimeConfig": {"deviceID": "eth0"}}
;; code: 100
;; told: the configuration names no link "eth0"
(call $observe.find-link (i32.const 0) (text "eth0") (i32.const 512))
