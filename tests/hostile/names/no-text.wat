;; Calls a bridge by bytes that are no UTF-8.
;; code: 101
;; told: invalid utf-8
(drop (call $links.link.bridge (text "\ff\fe")))
