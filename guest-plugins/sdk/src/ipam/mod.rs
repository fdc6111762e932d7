//! The library for plugins that assign addresses from the ranges of their configuration, as host-local does. [`Ips`]
//! and [`family`] are for every IPAM plugin.
//!
//! The configuration, its checks, the error texts and the leases are those of host-local. The plugin decides which
//! free address comes next: its [`Choose`].

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

use crate::log::{self, Level};
use crate::{Dns, Error, file, leases, request};
use serde::Deserialize;

/// The addresses that the runtime requests: `runtimeConfig`, or `args.cni` (CONVENTIONS.md).
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

/// `add` of such a plugin: reserves one address from each range set. It reports the routes of the configuration
/// unchanged, and the DNS settings of the file that the configuration names.
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

/// `status` of such a plugin: checks that everything exists that the configuration names, and looks for a free address
/// in each range set.
///
/// The error has the text that `add` would return, with the code of the specification. A range set that is used up is
/// an error only if the configuration says `"statusWhenFull": "error"`. Otherwise it is a warning in the log: a runtime
/// that gets an error reports the node as not ready, although the containers that use the addresses are well.
pub fn status() -> Result<(), Error> {
    available().map_err(|error| Error { code: NOT_AVAILABLE, ..error })
}

/// The error code of STATUS when the plugin cannot add any container (SPEC 1.1.0, section 5).
const NOT_AVAILABLE: u32 = 50;

fn available() -> Result<(), Error> {
    // `CNI_ARGS` belongs to a container. STATUS has none.
    let config = Config::parse(&request::config(), "")?;
    dns(&config)?;
    let store = leases::Store::open(config.data_dir.as_deref())?;
    match (allocation::check(&config, &store), config.status_when_full.as_str()) {
        (Err(full), "error") => Err(full.into()),
        (Err(full), "" | "warn") => {
            log::write(Level::Warn, &full);
            Ok(())
        }
        (Ok(()), "" | "warn" | "error") => Ok(()),
        (_, other) => {
            Err(format!("ipam.statusWhenFull is {other:?}, and can be \"warn\" or \"error\"").into())
        }
    }
}

fn dns(config: &Config) -> Result<Dns, Error> {
    config
        .resolv_conf
        .as_deref()
        .map_or(Ok(Dns::default()), |path| Ok(resolv_conf::parse(&file::read(path)?)))
}
