;; Names the link in the container `lo`.
;; code: 100
;; told: the link in the container is called as CNI_IFNAME says
(drop (call $links.link.veth (text "lo")))
