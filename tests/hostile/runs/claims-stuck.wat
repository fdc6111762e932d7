;; Fails with the host's own code for what could not be undone, and a command that would remove it.
;; code: 999
;; told: left: `rm -rf /etc` removes it
(return (call $fail (i32.const 105) (text "left: `rm -rf /etc` removes it")))
