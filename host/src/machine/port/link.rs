//! A link with the attributes that the kernel reports.

use crate::value::{LinkIdentity, LinkRef, Mac};

/// A link with the attributes that the kernel reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// `ifi_index`.
    pub index: u32,
    /// `IFLA_IFNAME`.
    pub name: String,
    /// `IFLA_INFO_KIND`. Empty for a physical device.
    pub kind: String,
    /// The MAC address. Zeros if the link has none.
    pub mac: Mac,
    /// In bytes.
    pub mtu: u32,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// `IFLA_MASTER`.
    pub master: Option<u32>,
    /// `IFLA_LINK`, if it is in the same namespace: the peer of a veth, or the lower link of an 802.1Q device.
    pub other_end: Option<u32>,
    /// `IFLA_LINK`, in any namespace: the index of a veth's peer.
    pub peer: Option<u32>,
    /// `IFLA_VLAN_ID` of an 802.1Q device.
    pub vlan_id: Option<u16>,
    /// `IFF_PROMISC`, as requested by a user.
    pub promiscuous: bool,
    /// `IFF_ALLMULTI`, as requested by a user.
    pub all_multicast: bool,
    /// `IFLA_TXQLEN`, in packets.
    pub queue_length: u32,
    /// Whether `IFLA_OPERSTATE` is up.
    pub running: bool,
    /// `IFLA_BRPORT_MODE` of a bridge port.
    pub hairpin: bool,
    /// `IFLA_BRPORT_ISOLATED` of a bridge port.
    pub isolated: bool,
}

impl Link {
    /// The attributes that distinguish it from other links of the same name.
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
