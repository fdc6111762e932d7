;; Gives a bridge a name that is not UTF-8.
;; code: 101
;; told: invalid utf-8
(drop (call $links.link.bridge (text "\ff\fe")))
