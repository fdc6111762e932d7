//! Attachments and their lease stores.

use super::name::{ContainerId, IfName, NetworkName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An interface of a container on a network. Every lock, journal and derived name depends on it.
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
    /// The owner of its leases, as host-local writes it.
    pub fn owner(&self) -> Owner {
        Owner { container: self.container.clone(), interface: self.interface.clone() }
    }
}

/// The owner of a lease: container and interface, as host-local writes it.
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
    /// The directory for all networks, absolute: `/var/lib/cni/networks`.
    pub data_dir: PathBuf,
    /// The network, which is the name of the subdirectory.
    pub network: NetworkName,
}

impl StoreRef {
    /// `DATA-DIR/NETWORK`.
    pub fn directory(&self) -> PathBuf {
        self.data_dir.join(self.network.as_str())
    }
}
