;; Reads the environment of the host process from /proc.
;; code: 100
;; told: read /proc/self/environ
;; told: the configuration names no such file
(call $observe.read-file (text "/proc/self/environ") (i32.const 512))
