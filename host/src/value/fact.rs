//! What is known of the machine.

use super::link::Netns;
use super::name::{IfName, Mac};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Who is told what the host passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firewall {
    /// Table `filter` of `iptables`.
    Iptables,
    /// firewalld, over D-Bus.
    Firewalld,
}

/// Where rules that hide addresses live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Table `nat` of `iptables`.
    Iptables,
    /// A table of `nft`.
    Nftables,
}

/// So many gaps of a range are told at most.
pub const MAX_GAPS: usize = 4096;

/// A larger file is not told.
pub const MAX_FILE_BYTES: usize = 64 << 10;

/// What is known of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fact<T> {
    /// It is there.
    Known(T),
    /// It is not there.
    Absent,
    /// Nobody may look (a dry run by an ordinary user): counts as absent, and the plan is marked.
    Unreadable,
}

impl<T> Fact<T> {
    /// Whether nobody may look.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Fact::Unreadable)
    }

    /// The value, if there is one.
    pub fn known(self) -> Option<T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::Absent | Fact::Unreadable => None,
        }
    }
}

/// A link as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFact {
    /// Where it is.
    pub netns: Netns,
    /// Its name.
    pub name: IfName,
    /// `ifi_index`; 0 for a link that a plan is yet to make.
    pub index: u32,
    /// `IFLA_INFO_KIND`: `bridge`, `veth`, …; empty for a physical device.
    pub kind: String,
    /// Zeros where it has none.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`, as an index.
    pub master: Option<u32>,
    /// In the kernel's order.
    pub addresses: Vec<IpNetwork>,
}

/// Two addresses of one family and all between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// The lowest.
    pub first: IpAddr,
    /// The highest, not below `first`.
    pub last: IpAddr,
}
