//! host-local: where leases are, which every plugin that hands out addresses may keep there.

use crate::cni::Config;
use crate::value::{NetworkName, StoreRef, place};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The default data directory and the configured one, if it is absolute.
pub fn data_dirs(config: &Config) -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from(place::LEASES)];
    dirs.extend(config.data_dir().map(PathBuf::from).filter(|dir| dir.is_absolute()));
    dirs
}

/// The lease stores that this network may have.
pub fn stores(config: &Config) -> Vec<StoreRef> {
    let dirs: BTreeSet<PathBuf> = data_dirs(config).into_iter().collect();
    dirs.into_iter().map(|data_dir| StoreRef { data_dir, network: config.name.clone() }).collect()
}

/// The lease store that a configuration names.
pub fn store(config: &Config) -> StoreRef {
    let data_dir = PathBuf::from(config.data_dir().unwrap_or(place::LEASES));
    StoreRef { data_dir, network: config.name.clone() }
}

/// The lease store of a network whose configuration names none.
pub fn default_store(network: &NetworkName) -> StoreRef {
    StoreRef { data_dir: PathBuf::from(place::LEASES), network: network.clone() }
}
