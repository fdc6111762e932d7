//! The machine in memory and the shipped one, side by side, one case after the other: they must not be told apart.
//!
//! Whatever is executed is the host's own code. Each case has namespaces of its own, with an empty `/run` and `/var/lib`; that needs root.

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
