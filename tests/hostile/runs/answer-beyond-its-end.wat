;; Reads an address that its delegate did not return.
;; code: 101
;; told: ip 4294967295 of an answer that has 1
(call $delegate.add (text "host-local") (i32.const 512))
(call $answers.answer.ip-address (i32.load (i32.const 516)) (i32.const -1) (i32.const 700))
