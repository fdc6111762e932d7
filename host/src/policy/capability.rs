//! The capabilities that policy knows: the interfaces of the contract that reach the machine.

use crate::action::{Action, Query};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An interface of `wit/` that a policy may deny. The rest (`request`, `results`, `answers`, `log`, `types`) changes and tells
/// nothing of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Bridges and veth pairs.
    Links,
    /// Addresses on links.
    Addresses,
    /// Routes.
    Routes,
    /// Kernel parameters.
    Sysctls,
    /// Address translation.
    Nat,
    /// Packet filtering.
    Filter,
    /// Queues of links.
    Qdiscs,
    /// Lease stores.
    Leases,
    /// Running other plugins.
    Delegate,
    /// Looking at links and files.
    Observe,
}

impl Capability {
    /// All of them, in the order of the contract.
    pub const ALL: [Capability; 10] = [
        Capability::Links,
        Capability::Addresses,
        Capability::Routes,
        Capability::Sysctls,
        Capability::Nat,
        Capability::Filter,
        Capability::Qdiscs,
        Capability::Leases,
        Capability::Delegate,
        Capability::Observe,
    ];

    /// The interface's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Links => "links",
            Capability::Addresses => "addresses",
            Capability::Routes => "routes",
            Capability::Sysctls => "sysctls",
            Capability::Nat => "nat",
            Capability::Filter => "filter",
            Capability::Qdiscs => "qdiscs",
            Capability::Leases => "leases",
            Capability::Delegate => "delegate",
            Capability::Observe => "observe",
        }
    }

    /// The capability of an imported function, `links.[static]link.bridge`, if policy knows it.
    pub fn of_import(import: &str) -> Option<Self> {
        let interface = import.split('.').next()?;
        Capability::ALL.into_iter().find(|capability| capability.as_str() == interface)
    }

    /// What an action takes.
    pub fn of_action(action: &Action) -> Self {
        match action {
            Action::ReserveLease(_) => Capability::Leases,
            Action::DeleteStaleLink(_)
            | Action::EnsureBridge(_)
            | Action::CreateVeth(_)
            | Action::EnsureVlanGateway(_)
            | Action::SetUp(_)
            | Action::SetPromiscuous(_)
            | Action::Settle(_)
            | Action::Announce(_)
            | Action::SetLink(_)
            | Action::SaveLink(_) => Capability::Links,
            Action::AddAddress(_) | Action::DeleteAddress(_) => Capability::Addresses,
            Action::AddRoute(_) => Capability::Routes,
            Action::SetSysctl(_) => Capability::Sysctls,
            Action::Masquerade(_)
            | Action::MasqueradeNft(_)
            | Action::MapPorts(_)
            | Action::DeletePortMap(_) => Capability::Nat,
            Action::CheckSourceMac(_) | Action::Filter(_) => Capability::Filter,
            Action::Shape(_) => Capability::Qdiscs,
            Action::Delegate(_) => Capability::Delegate,
        }
    }

    /// What a question takes; which firewall there is anybody may know.
    pub fn of_query(query: &Query) -> Option<Self> {
        match query {
            Query::Link(_) | Query::RouteTo(_) | Query::File(_) | Query::FileBelow(..) => {
                Some(Capability::Observe)
            }
            Query::StalePorts { .. } => Some(Capability::Nat),
            Query::HostEnd(_) => Some(Capability::Observe),
            Query::Held(..) | Query::LastReserved(..) | Query::Free(..) => Some(Capability::Leases),
            Query::Backend | Query::Firewall => None,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
