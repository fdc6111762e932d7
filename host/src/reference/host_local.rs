//! The type `host-local` (plugins/ipam/host-local in containernetworking/plugins): the lease stores, which every IPAM
//! plugin may use.

use super::Type;
use crate::cni::Config;
use crate::cni::named::{Names, NamingKey};
use crate::value::{Kind, NetworkName, StoreRef, place};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Every address is leased. The sets have the order in which the reference numbers them
/// (plugins/ipam/host-local/backend/allocator/config.go).
pub const TYPE: Type = Type {
    kind: Some(Kind::Ipam),
    keys: Some(&[
        NamingKey { path: "runtimeConfig.ipRanges", names: Names::RangeSets },
        NamingKey { path: "ipam", names: Names::Range },
        NamingKey { path: "ipam.ranges", names: Names::RangeSets },
    ]),
    ..Type::OTHER
};

/// The data directory: the configured one if there is one, which must be absolute, and otherwise the default. Another
/// store does not know who has an address.
pub fn data_dirs(config: &Config) -> Vec<PathBuf> {
    let configured = config.data_dir().unwrap_or(place::LEASES);
    Some(PathBuf::from(configured)).filter(|dir| dir.is_absolute()).into_iter().collect()
}

/// The possible lease stores of this network. The configuration may have had no data directory when it leased.
pub fn stores(config: &Config) -> Vec<StoreRef> {
    let mut dirs: BTreeSet<PathBuf> = data_dirs(config).into_iter().collect();
    dirs.insert(PathBuf::from(place::LEASES));
    dirs.into_iter().map(|data_dir| StoreRef { data_dir, network: config.name.clone() }).collect()
}

/// The lease store of a configuration.
pub fn store(config: &Config) -> StoreRef {
    let data_dir = PathBuf::from(config.data_dir().unwrap_or(place::LEASES));
    StoreRef { data_dir, network: config.name.clone() }
}

/// The lease store of a network without a configured data directory.
pub fn default_store(network: &NetworkName) -> StoreRef {
    StoreRef { data_dir: PathBuf::from(place::LEASES), network: network.clone() }
}
