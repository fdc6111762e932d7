//! `NETLINK_ROUTE`: links, addresses and routes; `NETLINK_NETFILTER`.

pub mod address;
pub mod conntrack;
pub mod link;
mod needed;
pub mod netfilter;
pub mod qdisc;
pub mod route;
pub mod socket;
pub mod vlan;

pub use link::Link;
pub use socket::{Netlink, Request};

use super::MachineError;
use super::errno::as_go;
use std::io;

/// What was tried, with the kernel's answer in Go's words.
pub fn refused(what: impl Into<String>, source: io::Error) -> MachineError {
    MachineError::Netlink { what: what.into(), source: as_go(source) }
}
