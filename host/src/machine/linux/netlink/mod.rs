//! `NETLINK_ROUTE`: links, addresses, routes, VLANs of ports and queueing disciplines; `NETLINK_NETFILTER`.

pub mod address;
pub mod conntrack;
pub mod link;
pub mod netfilter;
pub mod qdisc;
pub mod request;
pub mod route;
pub mod socket;
pub mod vlan;

pub use request::encode;
pub use socket::{Message, Netlink};
