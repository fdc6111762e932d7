//! Ports of the host that lead to a container.

pub mod nft;

use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::Backend;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

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

/// A port of the host, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// 1 to 65535.
    pub host_port: u16,
    /// 1 to 65535.
    pub container_port: u16,
    /// The host's address; none, or an unspecified one: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<IpAddr>,
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

impl Kind for MapPorts {
    fn profile(&self) -> Profile<'_> {
        todo!()
    }

    fn commands(&self) -> Vec<String> {
        todo!()
    }

    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        todo!()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        todo!()
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        todo!()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        todo!()
    }

    fn covers(&self, _repair: &Action) -> bool {
        todo!()
    }
}

impl Kind for DeletePortMap {
    fn profile(&self) -> Profile<'_> {
        todo!()
    }

    fn commands(&self) -> Vec<String> {
        todo!()
    }

    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        todo!()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        todo!()
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        todo!()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        todo!()
    }

    fn covers(&self, _repair: &Action) -> bool {
        todo!()
    }
}

/// Deletes the rules of mapped ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovePorts {
    /// Which.
    pub ports: MapPorts,
    /// The shared chains, or the table, that go too when nobody uses them.
    pub unmake: Vec<String>,
}

impl Inverse for RemovePorts {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}

impl Inverse for DeletePortMap {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
