;; Supports a configuration without a version.
;; code: 108
;; told: has more than digits, dots and minus
;; versions: ["", "0.2.0"]
