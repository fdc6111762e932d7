//! Tests of each kind of action and query: of its properties, and of its effect on the machine in memory. Tests of the
//! kernel's own output are in `tests/privileged`.

mod address;
mod attached;
mod check_link;
mod delegate;
mod dummy;
mod lease;
mod link;
mod qdisc;
mod query;
mod rules;
mod sysctl;
