;; Requests access to the network.
;; code: 101
;; told: the plugin called wasi:sockets/instance-network@0.2.6#instance-network, which plugins do not have
(drop (call $instance-network.instance-network))
