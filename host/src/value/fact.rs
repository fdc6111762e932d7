//! Facts about the machine.

use super::link::Netns;
use super::name::{IfName, Mac};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The firewall that holds the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firewall {
    /// Table `filter` of `iptables`.
    Iptables,
    /// firewalld, over D-Bus.
    Firewalld,
}

/// The tool that holds masquerading rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Table `nat` of `iptables`.
    Iptables,
    /// A table of `nft`.
    Nftables,
}

/// The maximum number of gaps in one answer.
pub const MAX_GAPS: usize = 4096;

/// The maximum size of a file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 64 << 10;

/// An address that its owner may get again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reusable {
    /// The address. No link of the container has it.
    pub address: IpAddr,
    /// Whether the lease was written before the last boot.
    pub is_of_earlier_boot: bool,
}

/// A fact about something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fact<T> {
    /// It exists, with this value.
    Known(T),
    /// It does not exist.
    Absent,
    /// The user may not read it (a dry run by an ordinary user). It counts as absent, and the plan lists it.
    Unreadable,
}

impl<T> Fact<T> {
    /// Whether the user may not read it.
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

/// A link in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFact {
    /// The namespace.
    pub netns: Netns,
    /// The name.
    pub name: IfName,
    /// `ifi_index`. 0 for a link that the plan makes.
    pub index: u32,
    /// `IFLA_INFO_KIND`: `bridge`, `veth`, …. Empty for a physical device.
    pub kind: String,
    /// The Ethernet address. All zeros if it has none.
    pub mac: Mac,
    /// The MTU, in bytes.
    pub mtu: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`, as an index.
    pub master: Option<u32>,
    /// The addresses, in the kernel's order.
    pub addresses: Vec<IpNetwork>,
}

/// A range of addresses of one family. Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressRange {
    /// The lowest address.
    pub first: IpAddr,
    /// The highest address. Not below `first`.
    pub last: IpAddr,
}
