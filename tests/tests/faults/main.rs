//! All or nothing, whatever fails: `docs/faults.md` tells what is tried, and has a table of it.
//!
//! A sample, by a seed that is printed (`tests/sample`); `cargo xtask test faults --whole` tries everything.

mod churn;
mod steps;
mod syscalls;
