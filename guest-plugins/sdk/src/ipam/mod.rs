//! What a plugin takes that hands out addresses from the ranges of its configuration, as host-local does; and what any
//! IPAM plugin reads, [`Ips`] and [`family`].
//!
//! The configuration, its rules and the texts of its errors are host-local's, and so are the leases; which free
//! address comes next is the plugin's: its [`Choose`].

mod allocation;
mod config;
pub mod family;
mod free;
mod range;
mod range_set;

pub use allocation::Choose;
pub use config::Config;
pub use free::{Free, Gap, Span, Store};
pub use range::Range;
pub use range_set::RangeSet;

use crate::{Error, leases, request};
use serde::Deserialize;

/// The addresses that the runtime asks for: `runtimeConfig`, or `args.cni` (CONVENTIONS.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ips<T> {
    /// `ips`.
    pub ips: Vec<T>,
}

impl<T> Default for Ips<T> {
    fn default() -> Self {
        Ips { ips: Vec::new() }
    }
}

/// The `add` of such a plugin: one address for each range set, the routes as they stand in the configuration.
pub fn add(choose: Choose) -> Result<(), Error> {
    let config = Config::parse(&request::config(), &request::args())?;
    let store = leases::Store::open(config.data_dir.as_deref())?;
    for ip in allocation::allocate(&config, &store, &request::container_id(), choose)? {
        ip.report();
    }
    for route in &config.routes {
        route.report();
    }
    Ok(())
}
