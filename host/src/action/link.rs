//! What is done to links.

use super::is_false;
use crate::value::LinkRef;
use crate::value::{IfName, Mac};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// See [`Action::DeleteStaleLink`](super::Action::DeleteStaleLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteStaleLink {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The alias that shows it to be ours; it is looked at again immediately before.
    pub alias: String,
}

/// See [`Action::EnsureBridge`](super::Action::EnsureBridge). The attributes count only when it is made; then it also ignores router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureBridge {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// Bytes; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The Ethernet address.
    pub mac: Mac,
    /// Whether ports exchange frames of common VLANs alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vlan_filtering: bool,
}

/// See [`Action::CreateVeth`](super::Action::CreateVeth). The host end is made with its master and its port settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateVeth {
    /// The name of the end inside the container.
    pub name: IfName,
    /// Bytes, for both ends; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The container end's Ethernet address.
    pub mac: Mac,
    /// The host end.
    pub peer: VethPeer,
}

/// The host end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VethPeer {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The Ethernet address.
    pub mac: Mac,
    /// `IFLA_IFALIAS`: shows whose link this is.
    pub alias: String,
    /// The bridge that it is a port of, in the host's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// Whether a frame may leave through the port by which it came; only with a master.
    #[serde(default)]
    pub hairpin: bool,
    /// Whether frames go to and come from ports alone that are not isolated; only with a master.
    #[serde(default)]
    pub isolated: bool,
    /// In which VLANs it is; only with a master.
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}

impl VethPeer {
    /// The port that it is, if it has a master.
    pub fn port(&self) -> Option<BridgePort> {
        let VethPeer { hairpin, isolated, vlans, .. } = self;
        let bridge = self.master.clone()?;
        Some(BridgePort { bridge, hairpin: *hairpin, isolated: *isolated, vlans: vlans.clone() })
    }
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
    #[serde(default, skip_serializing_if = "is_false")]
    pub native: bool,
}

/// See [`Action::EnsureVlanGateway`](super::Action::EnsureVlanGateway): a veth pair in the host's namespace, both ends up, with the bridge's MTU. They
/// ignore router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureVlanGateway {
    /// The end that gets addresses: `BRIDGE.VID`.
    pub name: IfName,
    /// The Ethernet address of that end.
    pub mac: Mac,
    /// Its `IFLA_IFALIAS`: shows that it is ours.
    pub alias: String,
    /// The end that is a port of the bridge.
    pub port: IfName,
    /// The Ethernet address of the port.
    pub port_mac: Mac,
    /// The bridge, in the host's namespace.
    pub bridge: IfName,
    /// The VLAN ID: frames come and go without a tag.
    pub vid: u16,
    /// The port is not in the bridge's default VLAN.
    pub drop_default: bool,
}

impl EnsureVlanGateway {
    /// Its port.
    pub fn bridge_port(&self) -> BridgePort {
        BridgePort { bridge: self.bridge.clone(), hairpin: false, isolated: false, vlans: self.vlans() }
    }

    /// The VLANs of its port.
    pub fn vlans(&self) -> PortVlans {
        let own = PortVlan { first: self.vid, last: self.vid, native: true };
        PortVlans { drop_default: self.drop_default, added: vec![own] }
    }
}

/// See [`Action::SetUp`](super::Action::SetUp).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::SetPromiscuous`](super::Action::SetPromiscuous).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPromiscuous {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::Settle`](super::Action::Settle).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Which link.
    pub link: LinkRef,
}

/// See [`Action::Announce`](super::Action::Announce).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// Which link. It is told that its Ethernet address is what it is: the kernel then announces all that it has.
    pub link: LinkRef,
}

/// See [`Action::SetLink`](super::Action::SetLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLink {
    /// Which link: it stays, with its index and its addresses.
    pub link: LinkRef,
    /// What it gets.
    pub attribute: LinkAttribute,
}

/// See [`Action::SaveLink`](super::Action::SaveLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveLink {
    /// Which link.
    pub link: LinkRef,
    /// The file: JSON, as the reference's tuning writes it.
    pub path: PathBuf,
    /// What is saved, by what it is going to be.
    pub attributes: Vec<LinkAttribute>,
}

/// An attribute of a link. A plan sets the first four; the others are what a link of ours was made with.
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
    /// `IFF_PROMISC`: it is only saved; [`SetPromiscuous`] sets it.
    Promiscuous(bool),
    /// `IFLA_IFALIAS`.
    Alias(String),
    /// Of which bridge it is a port, and how.
    Port(BridgePort),
}

impl LinkAttribute {
    /// The value as text: what undo remembers. A port has none.
    pub fn text(&self) -> String {
        match self {
            LinkAttribute::Mac(mac) => mac.to_string(),
            LinkAttribute::Mtu(value) | LinkAttribute::QueueLength(value) => value.to_string(),
            LinkAttribute::AllMulticast(on) | LinkAttribute::Promiscuous(on) => on.to_string(),
            LinkAttribute::Alias(alias) => alias.clone(),
            LinkAttribute::Port(_) => String::new(),
        }
    }

    /// The same attribute with the value of a [`LinkAttribute::text`].
    pub fn with_text(&self, text: &str) -> Option<Self> {
        Some(match self {
            LinkAttribute::Mac(_) => LinkAttribute::Mac(Mac::try_from(text.to_owned()).ok()?),
            LinkAttribute::Mtu(_) => LinkAttribute::Mtu(text.parse().ok()?),
            LinkAttribute::QueueLength(_) => LinkAttribute::QueueLength(text.parse().ok()?),
            LinkAttribute::AllMulticast(_) => LinkAttribute::AllMulticast(text.parse().ok()?),
            LinkAttribute::Promiscuous(_) => LinkAttribute::Promiscuous(text.parse().ok()?),
            LinkAttribute::Alias(_) => LinkAttribute::Alias(text.to_owned()),
            LinkAttribute::Port(_) => return None,
        })
    }

    /// Whether both are about one attribute.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A port of a bridge in the host's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// The bridge.
    pub bridge: IfName,
    /// See [`VethPeer::hairpin`].
    pub hairpin: bool,
    /// See [`VethPeer::isolated`].
    pub isolated: bool,
    /// See [`VethPeer::vlans`].
    #[serde(default, skip_serializing_if = "PortVlans::is_default")]
    pub vlans: PortVlans,
}
