;; Routes the host's packets for another container through the bridge, as a chained plugin.
;; as: tuning
;; code: 100
;; told: plugin "tuning" is of kind chained and has no capability `routes`
(call $links.link.existing (i32.const 0) (text "cni_bridge0") (i32.const 512))
(drop (call $routes.route (i32.load (i32.const 516)) (prefix 10.15.20.2/32)))
