;; Starts with more memory than a plugin may have.
;; code: 102
;; told: the plugin exceeded a limit: memory (64 MiB)
(core module $big (memory 1025))
(core instance (instantiate $big))
