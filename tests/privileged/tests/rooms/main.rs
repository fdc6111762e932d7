//! Rooms of the host whose promise is in the kernel's own words: rules and kernel parameters.

mod rules;
mod sysctl;
