;; Takes away the queue of a link that another network has in the container.
;; as: tuning
;; code: 100
;; told: link "net1" is not of this plan
(call $links.link.existing (i32.const 1) (text "net1") (i32.const 512))
(call $links.link.set-queue-length (i32.load (i32.const 516)) (i32.const 0))
