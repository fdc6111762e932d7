//! What is fuzzed: for each target a function that takes any bytes, and panics when something does not hold that the product
//! promises. `fuzz/` runs them under cargo-fuzz, and `tests/replay.rs` on every input of the corpora with the stable compiler.

pub mod case;
pub mod journal;
mod machine;
pub mod permitted;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod request;
pub mod world;

/// A target: any bytes in.
pub type Target = fn(&[u8]);

/// The targets by their names, which are those of their corpora.
pub const TARGETS: [(&str, Target); 6] = [
    ("journal", journal::run),
    ("permitted", permitted::run),
    ("plan", plan::run),
    ("planner", planner::run),
    ("policy", policy::run),
    ("request", request::run),
];
