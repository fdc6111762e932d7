;; Maps a thousand ports of the host, for an error that fills the runtime's log.
;; as: portmap
;; code: 100
;; told: look for whose the ports
(local $map i32) (local $port i32)
(local.set $map (call $nat.port-map (prefix 10.15.20.3/24) (i32.const 0)))
(local.set $port (i32.const 2000))
(loop $again
  (call $nat.port-map.add (local.get $map) (text "tcp") (local.get $port) (local.get $port) (i32.const 0) (address 0.0.0.0))
  (br_if $again (i32.lt_u (local.tee $port (i32.add (local.get $port) (i32.const 1))) (i32.const 3000))))
