//! Rules of packet filters.

use crate::value::Backend;
pub use crate::value::PortMapping;
use crate::value::{IfName, Mac};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// See [`Action::Masquerade`](super::Action::Masquerade): one chain of the attachment in `nat`, its two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The chain, as the reference names it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

/// See [`Action::MasqueradeNft`](super::Action::MasqueradeNft): one rule of the attachment in table `inet cni_plugins_masquerade`, which is made with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradeNft {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The comment of the rule, as the reference writes it. It begins with hashes that tell whose it is.
    pub comment: String,
}

/// See [`Action::CheckSourceMac`](super::Action::CheckSourceMac): two chains of the attachment in table `bridge nat`, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSourceMac {
    /// The host's end of the veth pair.
    pub port: IfName,
    /// The Ethernet address of the container's end.
    pub mac: Mac,
    /// `CONTAINER-INTERFACE`: chains and comment carry it, as in the reference.
    pub identity: String,
}

/// See [`Action::MapPorts`](super::Action::MapPorts): the rules of one address, with what they share with those of other
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

/// See [`Action::DeletePortMap`](super::Action::DeletePortMap).
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
