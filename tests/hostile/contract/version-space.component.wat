;; Supports a version that looks like another one.
;; code: 50
;; told: has more than digits, dots and minus
;; verb: STATUS
;; versions: ["1.1.0 ", "1.1.0"]
