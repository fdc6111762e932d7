;; Uses a link that it never got.
;; code: 101
;; told: unknown handle
(call $links.link.up (i32.const 77))
