//! Mapped ports as data: what leads to a container, what removes that, and whose it is.

use crate::value::{Backend, PortMapping};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// See [`Action::MapPorts`](crate::action::Action::MapPorts): the rules of one address, with what they share with those of other
/// containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPorts {
    /// Where the rules live.
    pub backend: Backend,
    /// The container's address; packets from its network to one of the ports are masqueraded.
    pub address: IpNetwork,
    /// In the order of the request, those for host addresses of the other family included.
    pub mappings: Vec<PortMapping>,
    /// What else has to be so of a packet: words of the backend's language, between the port and the verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// What gets the host's address as its source; none: nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<MasqueradePorts>,
    /// With iptables: the chain, as the reference names it.
    pub chain: String,
    /// The comment, as the reference writes it: with iptables of each jump, with nftables of each rule.
    pub comment: String,
}

/// What is masqueraded on its way to a mapped port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradePorts {
    /// Whatever comes, not only what comes from the container's network and from the host itself.
    pub all: bool,
    /// With iptables: how it is marked.
    pub mark: Mark,
}

/// How packets are marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// By this bit, from 0: chains that all containers share set it and look for it.
    Bit(u8),
    /// By a chain of somebody else.
    Chain(String),
}

/// See [`Action::DeletePortMap`](crate::action::Action::DeletePortMap).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletePortMap {
    /// Where the rules live.
    pub backend: Backend,
    /// Of which family.
    pub is_ipv4: bool,
    /// With iptables: the container's chain. With nftables: the comment of its rules.
    pub chain: String,
}

impl DeletePortMap {
    /// A chain of iptables.
    pub fn iptables(is_ipv4: bool, chain: String) -> Self {
        DeletePortMap { backend: Backend::Iptables, is_ipv4, chain }
    }
}

/// Somebody to whom ports of the host lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortOwner {
    /// As the rules name it; those of nftables do not.
    pub network: Option<String>,
    /// As the rules name it.
    pub container: String,
    /// Where they lead.
    pub address: Option<IpAddr>,
    /// What removes them.
    pub map: DeletePortMap,
}
