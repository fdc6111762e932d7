//! All or nothing, whatever fails: `docs/faults.md` describes the faults, and has a table of the results.
//!
//! By default a sample; `FAULTS=all` tries everything, `FAULTS_SEED` draws another sample.

mod churn;
mod steps;
mod syscalls;
