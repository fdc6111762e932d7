;; Controls a terminal with a control character that is not ASCII.
;; code: 108
;; told: has more than digits, dots and minus
;; versions: ["\u009b2J", "1.1.0"]
