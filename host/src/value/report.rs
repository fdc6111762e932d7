//! A CNI result before it is encoded.

use super::link::LinkRef;
use super::route::Route;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A CNI result whose names and MAC addresses are not filled in yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The first entries of `interfaces`: those of `prevResult`, unchanged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Interface>,
    /// The other entries of `interfaces`.
    pub links: Vec<LinkRef>,
    /// Links of [`Report::links`] whose addresses are reported after [`Report::ips`]: the first one of each family,
    /// as read from the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_addresses: Vec<LinkRef>,
    /// `ips`.
    pub ips: Vec<Ip>,
    /// `routes`.
    pub routes: Vec<Route>,
    /// `dns`.
    pub dns: Dns,
}

/// An entry of `interfaces`, as a plugin reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// The Ethernet address, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// `CNI_NETNS` for a link in the container. Empty for a link of the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

/// An entry of `ips`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// The address, with host bits.
    pub address: IpNetwork,
    /// `gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// An index into `interfaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
}

/// `dns`. Empty members are not encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses of servers. They are not validated, as in the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The search domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// The options of the resolver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// The length of all texts, in bytes.
    pub fn bytes(&self) -> usize {
        let lists = self.nameservers.iter().chain(&self.search).chain(&self.options);
        lists.chain(&self.domain).map(String::len).sum()
    }
}
