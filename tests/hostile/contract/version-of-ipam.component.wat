;; As IPAM, clears the screen of whoever reads the error.
;; code: 50
;; told: has more than digits, dots and minus
;; as: host-local
;; verb: STATUS
;; versions: ["1.1.0\u001b]0;all is well\u0007"]
