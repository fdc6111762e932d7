//! A link as the kernel tells it.

use crate::value::{LinkIdentity, LinkRef, Mac};

/// A link as the kernel tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_IFNAME`.
    pub name: String,
    /// `IFLA_INFO_KIND`; empty for a physical device.
    pub kind: String,
    /// Zeros where it has none.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`.
    pub master: Option<u32>,
    /// `IFLA_LINK` in this namespace: of a veth the other end, of an 802.1Q device the link below it.
    pub other_end: Option<u32>,
    /// `IFLA_LINK` in whatever namespace: of a veth the index of the other end.
    pub peer: Option<u32>,
    /// `IFLA_VLAN_ID`, of an 802.1Q device.
    pub vlan_id: Option<u16>,
    /// `IFF_PROMISC`, as somebody asked for it.
    pub promiscuous: bool,
    /// `IFF_ALLMULTI`, as somebody asked for it.
    pub all_multicast: bool,
    /// `IFLA_TXQLEN`, packets.
    pub queue_length: u32,
    /// `IFLA_OPERSTATE` is up.
    pub running: bool,
    /// `IFLA_BRPORT_MODE`, of a bridge port.
    pub hairpin: bool,
    /// `IFLA_BRPORT_ISOLATED`, of a bridge port.
    pub isolated: bool,
}

impl Link {
    /// What tells it from others of its name.
    pub fn identity(&self, link: LinkRef) -> LinkIdentity {
        LinkIdentity {
            link,
            index: self.index,
            kind: self.kind.clone(),
            mac: self.mac,
            alias: self.alias.clone(),
        }
    }
}
