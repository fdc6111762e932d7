//! Upgrades happen while containers run: the current host undoes what a host recorded in version 1 of the journal.
//!
//! `tests/journals/v1` has journals of every kind of action, which a host of that version wrote: of ADDs that ended,
//! were killed, or failed. `WASM_CNI_TEST_SAMPLE=all` tries them at every line and with every verb.

mod garbage;
mod kinds;
mod shared;
mod undo;
