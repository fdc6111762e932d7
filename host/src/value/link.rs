//! Links and their namespaces, by name and by what identifies them.

use super::name::{IfName, Mac};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which of the two namespaces of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Netns {
    /// The runtime's.
    Host,
    /// The one that `CNI_NETNS` names.
    Container,
}

/// What identifies a network namespace, also after it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetnsId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`, which a later namespace may get when this one is gone.
    pub inode: u64,
    /// `SO_NETNS_COOKIE`, which no other namespace ever gets; none where it cannot be read.
    pub cookie: Option<u64>,
}

/// A link by its place and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkRef {
    /// Where it is.
    pub netns: Netns,
    /// What it is called there.
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

/// What tells a link from another one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkIdentity {
    /// Place and name.
    pub link: LinkRef,
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_INFO_KIND`.
    pub kind: String,
    /// At creation.
    pub mac: Mac,
    /// At creation.
    pub alias: Option<String>,
}
