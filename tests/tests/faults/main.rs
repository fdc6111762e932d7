//! All or nothing, whatever fails: `docs/faults.md` tells what is tried, and has a table of it.
//!
//! A sample; `FAULTS=all` tries everything, `FAULTS_SEED` takes another sample.

mod churn;
mod steps;
mod syscalls;
