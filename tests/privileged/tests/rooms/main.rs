//! Tests of actions whose promise is about the kernel's own output: rules and kernel parameters.

mod rules;
mod sysctl;
