;; Makes a bridge that filters by VLAN, though the configuration names none.
;; code: 100
;; told: a bridge filters by VLAN if the configuration names a VLAN, and only then
(call $links.link.set-vlan-filtering (call $links.link.bridge (text "cni_bridge0")) (i32.const 1))
