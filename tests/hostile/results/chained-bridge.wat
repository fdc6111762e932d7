;; As a chained plugin, reports the bridge of prevResult as a link of its own.
;; as: tuning
;; code: 100
;; told: link "cni_bridge0" is not of this plan
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(call $results.add-link (i32.load (i32.const 516)))
