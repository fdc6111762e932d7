;; Routes the host's packets for an address into the container: the name of its pod is that address.
;; args: IgnoreUnknown=1;K8S_POD_NAME=8.8.8.8
;; code: 100
;; told: a route on the host leads to an address of this attachment
(drop (call $routes.route (call $links.link.peer (call $links.link.veth (text "eth12"))) (prefix 8.8.8.8/32)))
