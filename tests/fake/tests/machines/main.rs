//! Comparison of the fake machine with the real one, case by case: both must behave the same.
//!
//! The cases execute the host's own code. Each case has its own namespaces, with an empty `/run` and `/var/lib`; this
//! needs root.

mod actions;
#[path = "../again/mod.rs"]
mod again;
mod case;
mod cases;
#[expect(dead_code, reason = "shared with the faults, for which policy allows a plan")]
#[path = "../plans/mod.rs"]
mod plans;
mod private;
mod real;
