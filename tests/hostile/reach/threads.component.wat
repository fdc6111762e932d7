;; Starts a second thread: it shares its memory.
;; code: 108
;; told: threads must be enabled
(core module $unused (memory 1 1 shared))
