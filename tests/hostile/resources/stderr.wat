;; Writes to its standard error for ever.
;; code: 102
;; told: the plugin exceeded a limit: time (1 s)
(local $stderr i32)
(local.set $stderr (call $stderr.get-stderr))
(loop $again
  (call $streams.output-stream.blocking-write-and-flush (local.get $stderr) (i32.const 4096) (i32.const 4096) (i32.const 512))
  (br $again))
;; fields
(data (i32.const 4096) "all work and no play\n")
