//! The capabilities of policy: the interfaces of the contract that give access to the machine.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An interface of `wit/` that policy can deny. The other interfaces (`request`, `results`, `answers`, `log`,
/// `types`) neither change the machine nor give facts about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Bridges, veth pairs and other links.
    Links,
    /// Addresses on links.
    Addresses,
    /// Routes.
    Routes,
    /// Kernel parameters.
    Sysctls,
    /// Network address translation.
    Nat,
    /// Packet filtering.
    Filter,
    /// Queueing disciplines of links.
    Qdiscs,
    /// Lease stores.
    Leases,
    /// Delegation to other plugins.
    Delegate,
    /// Facts about links, and files.
    Observe,
}

impl Capability {
    /// All capabilities, in the order of the contract.
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

    /// The name of the interface.
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

    /// The capability of an imported function, for example of `links.[static]link.bridge`. `None` if policy cannot
    /// deny it.
    pub fn of_import(import: &str) -> Option<Self> {
        let interface = import.split('.').next()?;
        Capability::ALL.into_iter().find(|capability| capability.as_str() == interface)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
