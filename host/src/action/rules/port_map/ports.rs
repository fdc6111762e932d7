//! Port maps as data: the mappings, their removal, and their owners.

use crate::value::{Backend, PortMapping};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// See [`Action::MapPorts`](crate::action::Action::MapPorts): the rules of one address, and the rules that they share
/// with other containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapPorts {
    /// The backend of the rules.
    pub backend: Backend,
    /// The container's address with the prefix length of its network. Packets from this network to a mapped port are
    /// masqueraded.
    pub address: IpNetwork,
    /// The mappings in the order of the request, including those for host addresses of the other family.
    pub mappings: Vec<PortMapping>,
    /// Additional conditions for packets: words in the backend's syntax, which stand between port and verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The packets that get the host's address as their source. None: no packets do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<MasqueradePorts>,
    /// With iptables: the name of the chain, as the reference derives it.
    pub chain: String,
    /// The comment, as the reference writes it. With iptables each jump has it, with nftables each rule.
    pub comment: String,
}

/// The packets to a mapped port that are masqueraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradePorts {
    /// Whether all packets are, and not only those from the container's network and from the host itself.
    pub all: bool,
    /// With iptables: how the packets are marked.
    pub mark: Mark,
}

/// How packets are marked for masquerading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// With this bit, counted from 0. Chains that all containers share set it and match it.
    Bit(u8),
    /// With a chain of somebody else.
    Chain(String),
}

/// See [`Action::DeletePortMap`](crate::action::Action::DeletePortMap).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletePortMap {
    /// The backend of the rules.
    pub backend: Backend,
    /// Whether the rules are of IPv4.
    pub is_ipv4: bool,
    /// With iptables: the container's chain. With nftables: the comment of its rules.
    pub chain: String,
}

impl DeletePortMap {
    /// The removal of a chain of iptables.
    pub fn iptables(is_ipv4: bool, chain: String) -> Self {
        DeletePortMap { backend: Backend::Iptables, is_ipv4, chain }
    }
}

/// The owner of forwarded ports of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortOwner {
    /// The network that the rules name. None with nftables, whose rules do not name it.
    pub network: Option<String>,
    /// The container ID that the rules name.
    pub container: String,
    /// The address to which the ports are forwarded.
    pub address: Option<IpAddr>,
    /// The removal of the rules.
    pub map: DeletePortMap,
}
