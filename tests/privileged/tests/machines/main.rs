//! The machine in memory and the shipped one, side by side, one case after the other: they must not be told apart.
//!
//! Whatever is executed is the host's own code. Each case has namespaces of its own, with an empty `/run` and `/var/lib`; that needs root.

mod actions;
mod case;
mod cases;
mod real;
