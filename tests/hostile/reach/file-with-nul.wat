;; Reads a file by a path with a NUL in it.
;; code: 103
;; told: is no path of a file
(call $observe.read-file (text "/etc/resolv.conf\00/x") (i32.const 512))
