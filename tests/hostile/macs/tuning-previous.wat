;; Takes another container's Ethernet address, which prevResult has.
;; as: tuning
;; previous: {"cniVersion": "1.1.0", "interfaces": [{"name": "eth12", "mac": "0a:58:0a:0f:14:02", "sandbox": "/var/run/netns/1234567890"}], "ips": [{"address": "10.15.20.3/24"}]}
;; code: 100
;; told: is no configured Ethernet address, and none that the host derives
(call $links.link.existing (i32.const 1) (text "eth12") (i32.const 512))
(call $links.link.set-mac (i32.load (i32.const 516)) (i32.const 10) (i32.const 88) (i32.const 10) (i32.const 15) (i32.const 20) (i32.const 2))
