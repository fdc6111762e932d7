;; Reorders the line of the log in which the host names it: overrides, isolates, marks.
;; code: 999
;; told: nothing there
(call $log.write (i32.const 3) (text "\e2\80\ae\e2\80\aa\e2\80\ab\e2\80\ac\e2\80\adall is well\e2\81\a6\e2\81\a7\e2\81\a8\e2\81\a9"))
(call $log.write (i32.const 3) (text "\e2\80\8e\e2\80\8f\d8\9c\e2\80\a8\e2\80\a9"))
(return (call $fail (i32.const 999) (text "nothing there")))
