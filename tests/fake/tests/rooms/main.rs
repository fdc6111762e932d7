//! Tests of each kind of action and query: of its properties, and of its effect on a machine. The machine is the fake
//! one, or, if the promise is about the kernel's own output, the real one in private namespaces. The latter needs root.

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
