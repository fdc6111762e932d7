;; Writes the file of saved attributes into a directory that no configuration names.
;; as: tuning
;; code: 100
;; told: a link is saved under its container's name, where tuning keeps that
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(call $links.link.save (i32.load (i32.const 516)) (i32.const 1) (text "/etc/cni"))
