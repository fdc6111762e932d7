;; Clears the screen of whoever asks for the supported versions.
;; code: 108
;; told: has more than digits, dots and minus
;; verb: VERSION
;; versions: ["1.1.0\u001b[2J"]
