;; Delegates to a program by its path.
;; code: 999
;; told: invalid plugin name: ../../../bin/sh
(call $delegate.add (text "../../../bin/sh") (i32.const 512))
(return (i32.const 512))
