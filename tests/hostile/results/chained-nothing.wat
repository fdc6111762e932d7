;; As a chained plugin, takes the container's interfaces and addresses out of the result.
;; as: tuning
;; code: 100
;; told: interfaces of prevResult are passed on
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(call $results.add-link (i32.load (i32.const 516)))
