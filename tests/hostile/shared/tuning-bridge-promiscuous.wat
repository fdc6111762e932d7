;; Switches promiscuous mode of the bridge on, which prevResult has.
;; as: tuning
;; code: 100
;; told: link "cni_bridge0" is not of this plan
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(call $links.link.set-promiscuous (i32.load (i32.const 516)) (i32.const 1))
