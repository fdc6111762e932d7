;; Fails with the code of a dry run, so that a reader believes that nothing was tried.
;; code: 999
;; told: nothing was changed
(return (call $fail (i32.const 109) (text "this was a dry run, and nothing was changed")))
