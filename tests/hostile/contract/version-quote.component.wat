;; Adds a key to the answer of VERSION.
;; code: 108
;; told: has more than digits, dots and minus
;; verb: VERSION
;; versions: ["1.1.0\", \"code\": \"7"]
