//! Comparison of the fake machine with the real one, case by case: both must behave the same.
//!
//! The cases execute the host's own code. Each case has its own namespaces, with an empty `/run` and `/var/lib`; this
//! needs root.

mod actions;
mod case;
mod cases;
mod real;
