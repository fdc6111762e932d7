//! Upgrades happen under live containers: what a host noted in version 1 of the journal, today's host takes back.
//!
//! `tests/journals/v1` has journals that a host of that version wrote, of every kind of action: of ADDs that ended, were killed, or failed.
//! `WASM_CNI_TEST_SAMPLE=all` tries them at every line and with every verb.

mod garbage;
mod kinds;
mod shared;
mod undo;
