//! Links and their namespaces: names and identities.

use super::name::{IfName, Mac};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two network namespaces of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Netns {
    /// The namespace of the runtime.
    Host,
    /// The namespace that `CNI_NETNS` names.
    Container,
}

/// The identity of a network namespace. It stays valid after the namespace is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`. A later namespace may get the same number.
    pub inode: u64,
    /// `SO_NETNS_COOKIE`. No other namespace ever gets the same. `None` if it cannot be read.
    pub cookie: Option<u64>,
}

/// A link, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkRef {
    /// The namespace.
    pub netns: Netns,
    /// The name in that namespace.
    pub name: IfName,
}

impl fmt::Display for LinkRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.netns {
            Netns::Host => write!(f, "{}", self.name),
            Netns::Container => write!(f, "{} (container)", self.name),
        }
    }
}

/// The identity of a link. It distinguishes it from another link of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkIdentity {
    /// Namespace and name.
    pub link: LinkRef,
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_INFO_KIND`.
    pub kind: String,
    /// The Ethernet address when the link was made.
    pub mac: Mac,
    /// The alias when the link was made.
    pub alias: Option<String>,
}
