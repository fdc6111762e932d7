//! The rooms of the host, each by what it says of itself and by what it does to a machine: to the one in memory, or,
//! where the kernel's own words are the promise, to the real one in private namespaces, which needs root.

mod address;
mod delegate;
mod dummy;
mod lease;
mod link;
mod play;
#[path = "../machines/private.rs"]
mod private;
mod qdisc;
mod query;
mod rules;
mod sysctl;
