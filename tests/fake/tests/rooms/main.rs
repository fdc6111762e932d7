//! The rooms of the host, each by what it says of itself and by what it does to the machine in memory. Where the kernel's own words are the promise, the
//! tests are in `tests/privileged`.

mod address;
mod delegate;
mod dummy;
mod lease;
mod link;
mod qdisc;
mod query;
