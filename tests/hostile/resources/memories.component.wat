;; Fills the address space with empty memories.
;; code: 102
;; told: the plugin exceeded a limit: memory count (8)
(core module $tiny (memory 0))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
(core instance (instantiate $tiny))
