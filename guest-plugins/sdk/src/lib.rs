//! The library for plugin authors.
//!
//! A plugin is a function `add`. It reads its request, records the actions that attach a container, and reports the
//! result. The host derives every other verb. The interfaces of the contract (`wit/`) are modules here, with Rust's
//! own address types instead of tuples:
//!
//! ```no_run
//! use wasm_cni_sdk::{Error, links::Link, request, results};
//!
//! wasm_cni_sdk::plugin!(kind: Main, versions: wasm_cni_sdk::ALL_VERSIONS, add: add);
//!
//! fn add() -> Result<(), Error> {
//!     let link = Link::veth(&request::interface_name());
//!     link.up();
//!     results::add_link(&link);
//!     Ok(())
//! }
//! # fn main() {}
//! ```
//!
//! A component imports only the functions that its code calls. These imports are its capabilities.

pub mod address;
pub mod args;
pub mod bindings;
pub mod chain;
pub mod config;
pub mod delegate;
pub mod dns;
mod error;
pub mod file;
pub mod interface;
mod ip;
pub mod ipam;
pub mod mac;
pub mod manifest;
mod route;

pub use bindings::wasm_cni::plugin::types::{Error, IpFamily, MacAddress, Netns, Prefix};
pub use bindings::wasm_cni::plugin::{
    addresses, filter, leases, links, log, nat, observe, qdiscs, request, results, sysctls,
};
pub use chain::Previous;
pub use dns::Dns;
pub use ip::Ip;
pub use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
pub use manifest::{ALL_VERSIONS, Kind};
pub use route::Route;
pub use serde_json::Value;
