;; Reads the environment of the process that checks it.
;; code: 100
;; told: read /proc/self/environ
;; told: the configuration names no such file
(call $observe.read-file (text "/proc/self/environ") (i32.const 512))
