//! Whose interface on which network, and where its leases are.

use super::name::{ContainerId, IfName, NetworkName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whose interface on which network: what every lock, journal and derived name goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// `name` of the configuration.
    pub network: NetworkName,
    /// `CNI_CONTAINERID`.
    pub container: ContainerId,
    /// `CNI_IFNAME`.
    pub interface: IfName,
}

impl Attachment {
    /// As host-local writes it.
    pub fn owner(&self) -> Owner {
        Owner { container: self.container.clone(), interface: self.interface.clone() }
    }
}

/// Who holds a lease: container and interface, as host-local writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// `CNI_CONTAINERID`.
    pub container: ContainerId,
    /// `CNI_IFNAME`.
    pub interface: IfName,
}

/// The lease store of a network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StoreRef {
    /// The directory of all networks, absolute: `/var/lib/cni/networks`.
    pub data_dir: PathBuf,
    /// The directory below it.
    pub network: NetworkName,
}

impl StoreRef {
    /// `DATA-DIR/NETWORK`.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join(self.network.as_str())
    }
}
