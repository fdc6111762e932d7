;; Fails with the code of the policy, so that the log tells of a refusal that was none.
;; code: 999
;; told: policy refuses 1 action
(return (call $fail (i32.const 100) (text "policy refuses 1 action of the plan of plugin \22bridge\22")))
