;; Saves the bridge's attributes under its own name, so that DEL of another program sets them.
;; as: tuning
;; code: 100
;; told: link "cni_bridge0" is not of this plan
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(call $links.link.save (i32.load (i32.const 516)) (i32.const 0) (i32.const 0) (i32.const 0))
