//! Faults: system calls that fail, processes that are killed, and what is left of them.
//!
//! The faults come from outside, by `strace`: the plugins that are tested are those that are installed, ours and the
//! reference's. `docs/faults.md` tells what is counted.

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
