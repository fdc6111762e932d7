;; Supports a version that no configuration can have.
;; code: 108
;; told: has more than digits, dots and minus
;; versions: ["1.1.0", "latest"]
