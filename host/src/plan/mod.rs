//! The plan: what is going to be done, as data. A leaf: nothing here touches the machine.

pub mod action;
pub mod derive;
pub mod fact;
pub mod lifetime;
pub mod name;
pub mod render;

pub use action::{Action, Lifetime, LinkRef, Netns, Owner, Route, StoreRef};
pub use fact::{AddressRange, Answer, Backend, Fact, Facts, LinkFact, Query};
pub use name::{ContainerId, IfName, Mac, NameError, NetworkName, PluginName, SysctlKey};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
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

/// What plugins recorded, not yet checked: it can be shown and refused, not applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// In the order in which they are applied.
    pub entries: Vec<Entry>,
    /// What the runtime is going to be told.
    pub report: Report,
    /// The addresses that delegates gave, with their gateways: what policy lets the container have.
    pub granted: Vec<Ip>,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<Query>,
}

/// A CNI result before its names and MACs are filled in from the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `interfaces`.
    pub links: Vec<LinkRef>,
    /// `ips`.
    pub ips: Vec<Ip>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `dns`.
    pub dns: Dns,
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
