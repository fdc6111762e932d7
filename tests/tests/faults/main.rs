//! All or nothing, whatever fails: `docs/faults.md` describes the faults, and has a table of the results.
//!
//! A sample, drawn by a seed that is printed (`tests/sample`). `cargo xtask test faults --whole` tries everything.

mod churn;
mod steps;
mod syscalls;
