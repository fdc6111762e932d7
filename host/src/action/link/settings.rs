//! What a link is given, as data: journals have it, and so do the notes that actions leave each other.

use crate::value::{IfName, LinkRef, Mac};
use serde::{Deserialize, Serialize};

/// See [`Action::SetLink`](crate::action::Action::SetLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLink {
    /// Which link: it stays, with its index and its addresses.
    pub link: LinkRef,
    /// What it gets.
    pub attribute: LinkAttribute,
}

/// An attribute of a link. A plan sets the first four, and ends promiscuous mode; the others are what a link of ours was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkAttribute {
    /// The Ethernet address.
    Mac(Mac),
    /// Bytes.
    Mtu(u32),
    /// `IFF_ALLMULTI`.
    AllMulticast(bool),
    /// `IFLA_TXQLEN`, packets.
    QueueLength(u32),
    /// `IFF_PROMISC`, which a plan only ends: [`SetPromiscuous`](crate::action::SetPromiscuous) begins it.
    Promiscuous(bool),
    /// `IFLA_IFALIAS`.
    Alias(String),
    /// Of which bridge it is a port, and how.
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

/// The VLANs of a bridge port, beside the bridge's default one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlans {
    /// The port is in none by default.
    pub drop_default: bool,
    /// In the order in which they are added: a later one counts where two have a VLAN in common.
    pub added: Vec<PortVlan>,
}

impl PortVlans {
    /// Whether the port is as the kernel makes it.
    pub fn is_default(&self) -> bool {
        *self == PortVlans::default()
    }
}

/// VLANs of a bridge port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortVlan {
    /// The lowest VLAN ID: 1 to 4094.
    pub first: u16,
    /// The highest, not below `first`.
    pub last: u16,
    /// Frames without a tag are its (then it is a single one); and its frames leave without a tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub native: bool,
}
