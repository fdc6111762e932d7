;; Starts a second thread: it uses shared memory.
;; code: 108
;; told: threads must be enabled
(core module $unused (memory 1 1 shared))
