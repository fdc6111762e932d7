;; Shows a version in another order than programs read it.
;; code: 108
;; told: has more than digits, dots and minus
;; verb: VERSION
;; versions: ["\u202e0.1.1", "1.1.0"]
