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
mod resolv_conf;

pub use allocation::Choose;
pub use config::Config;
pub use free::{Free, Gap, Span, Store};
pub use range::Range;
pub use range_set::RangeSet;

use crate::{Dns, Error, file, leases, request};
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

/// The `add` of such a plugin: one address for each range set, the routes as they stand in the configuration, and the resolver
/// settings of the file that it names.
pub fn add(choose: Choose) -> Result<(), Error> {
    let config = Config::parse(&request::config(), &request::args())?;
    let dns = dns(&config)?;
    let store = leases::Store::open(config.data_dir.as_deref())?;
    for ip in allocation::allocate(&config, &store, &request::container_id(), choose)? {
        ip.report();
    }
    for route in &config.routes {
        route.report();
    }
    dns.report();
    Ok(())
}

/// The `status` of such a plugin: whether each range set has a free address, and all that the configuration names is there.
///
/// What the error says is what `add` would say, with the code that the specification has for it.
pub fn status() -> Result<(), Error> {
    available().map_err(|error| Error { code: NOT_AVAILABLE, ..error })
}

/// STATUS: no container can be added (SPEC 1.1.0, section 5).
const NOT_AVAILABLE: u32 = 50;

fn available() -> Result<(), Error> {
    // `CNI_ARGS` are those of a container, and here is none.
    let config = Config::parse(&request::config(), "")?;
    dns(&config)?;
    let store = leases::Store::open(config.data_dir.as_deref())?;
    Ok(allocation::check(&config, &store)?)
}

fn dns(config: &Config) -> Result<Dns, Error> {
    config
        .resolv_conf
        .as_deref()
        .map_or(Ok(Dns::default()), |path| Ok(resolv_conf::parse(&file::read(path)?)))
}
