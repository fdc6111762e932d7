//! The capabilities that policy knows: the interfaces of the contract that reach the machine.

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
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
