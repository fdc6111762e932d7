//! The plan: what is going to be done, as data. A leaf: nothing here touches the machine.

pub mod action;
pub mod derive;
pub mod fact;
pub mod lifetime;
pub mod name;
pub mod render;
pub mod route;

pub use action::{Action, Lifetime, LinkRef, Netns, Owner, StoreRef};
pub use fact::{AddressRange, Answer, Backend, Fact, Facts, Firewall, LinkFact, PortOwner, Query};
pub use name::{ContainerId, IDENTIFIER_BYTES, IfName, Mac, NameError, NetworkName, PluginName, SysctlKey};
pub use route::Route;

use action::{LinkAttribute, SetLink};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// Whose interface on which network: what every lock, journal and derived name goes by.
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
    /// As host-local writes it.
    pub fn owner(&self) -> Owner {
        Owner { container: self.container.clone(), interface: self.interface.clone() }
    }
}

/// An action and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The plugin that recorded it: `bridge`, or its delegate `host-local`.
    pub plugin: PluginName,
    /// How long what it makes is meant to last.
    pub lifetime: Lifetime,
    /// What to do.
    pub action: Action,
}

impl Entry {
    /// Whether it may make, or its rollback take away, what others use too.
    pub fn is_shared(&self) -> bool {
        self.lifetime != Lifetime::Attachment
            || matches!(self.action, Action::MapPorts(_) | Action::Filter(_))
    }
}

/// The SHA-256 of a plan, lower-case hexadecimal: equal for equal actions and an equal report.
pub fn digest<'a>(entries: impl Iterator<Item = &'a Entry>, report: &Report) -> String {
    let mut hash = Sha256::new();
    // Fields are written in the order of their declaration; nothing of it is a map.
    for entry in entries {
        hash.update(serde_json::to_string(entry).unwrap_or_default());
        hash.update("\n");
    }
    hash.update(serde_json::to_string(report).unwrap_or_default());
    derive::hex(&hash.finalize())
}

/// What plugins recorded, not yet checked: it can be shown and refused, not applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// In the order in which they are applied.
    pub entries: Vec<Entry>,
    /// What the runtime is going to be told.
    pub report: Report,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<Query>,
}

/// A CNI result before its names and MACs are filled in from the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The first of `interfaces`: those of `prevResult`, as they are told there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Interface>,
    /// The rest of `interfaces`.
    pub links: Vec<LinkRef>,
    /// Links of [`Report::links`] whose first address of each family is told, as the kernel has them, after [`Report::ips`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_addresses: Vec<LinkRef>,
    /// `ips`.
    pub ips: Vec<Ip>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `dns`.
    pub dns: Dns,
}

/// An entry of `interfaces` as somebody told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// The Ethernet address, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// `CNI_NETNS` as given for a link in the container, empty for one of the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

/// Interfaces with the Ethernet addresses that actions give to those in the container, whose `CNI_NETNS` is `sandbox`.
pub fn with_macs<'a>(
    mut interfaces: Vec<Interface>,
    sandbox: &str,
    actions: impl Iterator<Item = &'a Action>,
) -> Vec<Interface> {
    for action in actions {
        let Action::SetLink(SetLink { link, attribute: LinkAttribute::Mac(mac) }) = action else { continue };
        let is_it = |interface: &&mut Interface| {
            link.netns == Netns::Container
                && interface.name == link.name.as_str()
                && interface.sandbox == sandbox
        };
        interfaces.iter_mut().filter(is_it).for_each(|interface| interface.mac = mac.to_string());
    }
    interfaces
}

/// An entry of `ips`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// With host bits.
    pub address: IpNetwork,
    /// `gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// An index into `interfaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
}

/// `dns`; empty parts are not written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses of servers, not validated (as the reference).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Domains to search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// How long the texts in it are, in bytes.
    pub fn bytes(&self) -> usize {
        let lists = self.nameservers.iter().chain(&self.search).chain(&self.options);
        lists.chain(&self.domain).map(String::len).sum()
    }
}
