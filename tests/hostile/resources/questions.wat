;; Asks for a million links, each with another name.
;; code: 102
;; told: the plugin exceeded a limit: questions about the machine (256)
(loop $again
  (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))
  (call $observe.find-link (i32.const 1) (call $hexadecimal) (i32.const 8) (i32.const 512))
  (br $again))
;; fields
(func $hexadecimal (result i32)
  (local $left i32) (local $number i32)
  (local.set $number (i32.load (i32.const 1024)))
  (local.set $left (i32.const 8))
  (loop $again
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (i32.store8 (i32.add (i32.const 1032) (local.get $left)) (i32.add (i32.const 97) (i32.and (local.get $number) (i32.const 15))))
    (local.set $number (i32.shr_u (local.get $number) (i32.const 4)))
    (br_if $again (local.get $left)))
  (i32.const 1032))
