//! A CNI result before it is encoded.

use super::link::LinkRef;
use super::route::Route;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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
