;; Masquerades the packets of another container: the name of its pod is that address.
;; args: IgnoreUnknown=1;K8S_POD_NAMESPACE=10.15.20.2
;; code: 100
;; told: it is no address of this attachment
(drop (call $nat.masquerade (prefix 10.15.20.2/24)))
