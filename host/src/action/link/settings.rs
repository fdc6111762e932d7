//! The settings of links, as data. Journals contain them, and so do the notes between actions.

use crate::value::{IfName, LinkRef, Mac};
use serde::{Deserialize, Serialize};

/// See [`Action::SetLink`](crate::action::Action::SetLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLink {
    /// The link. It keeps its index and its addresses.
    pub link: LinkRef,
    /// The new value.
    pub attribute: LinkAttribute,
}

/// An attribute of a link. A plan can set the first four, and can clear promiscuous mode. Repairs also use the others,
/// to restore the attributes from a link's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAttribute {
    /// The MAC address.
    Mac(Mac),
    /// In bytes.
    Mtu(u32),
    /// `IFF_ALLMULTI`.
    AllMulticast(bool),
    /// `IFLA_TXQLEN`, in packets.
    QueueLength(u32),
    /// `IFF_PROMISC`. A plan can only clear it here: [`SetPromiscuous`](crate::action::SetPromiscuous) sets it.
    Promiscuous(bool),
    /// `IFLA_IFALIAS`.
    Alias(String),
    /// The bridge of the port, and the port's settings.
    Port(BridgePort),
}

/// A port of a bridge in the host's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// The bridge.
    pub bridge: IfName,
    /// See [`VethPeer::hairpin`](crate::action::VethPeer::hairpin).
    pub hairpin: bool,
    /// See [`VethPeer::isolated`](crate::action::VethPeer::isolated).
    pub isolated: bool,
    /// See [`VethPeer::vlans`](crate::action::VethPeer::vlans).
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

/// The VLANs of a bridge port, in addition to the bridge's default VLAN.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlans {
    /// Whether the port leaves the bridge's default VLAN.
    pub drop_default: bool,
    /// The VLANs, in the order in which they are added. If two ranges overlap, the later one applies.
    pub added: Vec<PortVlan>,
}

impl PortVlans {
    /// Whether the VLANs are those that the kernel gives a new port.
    pub fn is_default(&self) -> bool {
        *self == PortVlans::default()
    }
}

/// A range of VLANs of a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlan {
    /// The lowest VLAN ID, 1 to 4094.
    pub first: u16,
    /// The highest VLAN ID, not below `first`.
    pub last: u16,
    /// Whether the VLAN is the PVID, and its frames leave the port untagged. The range is then a single VLAN.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub native: bool,
}
