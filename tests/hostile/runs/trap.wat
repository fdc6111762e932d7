;; Traps.
;; code: 101
;; told: plugin bridge trapped: wasm trap: wasm `unreachable` instruction executed
unreachable
