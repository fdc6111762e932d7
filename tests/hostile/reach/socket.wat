;; Opens a TCP socket.
;; code: 101
;; told: the plugin called wasi:sockets/tcp-create-socket@0.2.6#create-tcp-socket, which plugins do not have
(call $tcp-create-socket.create-tcp-socket (i32.const 0) (i32.const 512))
