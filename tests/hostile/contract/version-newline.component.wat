;; Writes a line of its own into a banner.
;; code: 108
;; told: has more than digits, dots and minus
;; verb: VERSION
;; versions: ["1.1.0", "1.0.0\nCNI protocol versions supported: none"]
