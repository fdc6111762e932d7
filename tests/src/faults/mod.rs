//! Faults: system calls that fail, processes that are killed, and what they leave.
//!
//! The faults come from outside, by `strace`, so the tests use the installed plugins, ours and the reference's.
//! `docs/faults.md` says what is counted.

pub mod fault;
pub mod left;
pub mod points;
pub mod row;
pub mod steps;
pub mod table;
pub mod trace;
pub mod trial;

pub use fault::{Fault, What, Who};
pub use row::Row;
pub use trace::Trace;
pub use trial::{Trial, Verdict};
