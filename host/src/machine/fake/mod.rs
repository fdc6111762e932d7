//! A machine in memory: it does what the real one does, and refuses what that refuses, in the same words.
//!
//! For tests without privileges, those of plugin authors included. A unit test holds it against [`super::host`].
//!
//! What is not modelled: IPv6 link-local addresses, which the kernel adds by itself some time after a link is up; other owners
//! of an IPv6 address; a bridge that takes the Ethernet address of a port; of an address, more than its prefix; locks that
//! others hold; kernel parameters beyond those in `sysctl.rs` and [`FakeKernel::with_sysctl`].

mod address;
mod build;
mod execute;
mod facts;
mod filters;
mod link;
mod links;
mod machine;
mod nat;
mod nft;
mod observe;
mod ports;
mod route;
mod shapes;
mod snapshot;
mod space;
mod store;
mod sysctl;
mod undo;
mod verify;
mod vlan;

use super::netlink::refused;
use super::{Before, Difference, Kernel, MachineError, Outcome, Undo, Undone};
use crate::action::Action;
use crate::action::SetLink;
use crate::value::{IfName, LinkRef, Netns};
use filters::Filters;
use link::Link;
use machine::Machine;
use nat::Nat;
use nft::Nft;
use ports::Ports;
use shapes::Shapes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use store::Stores;

/// The machine: two namespaces, lease stores, rules.
///
/// A start state is built with `with_…`, or simply by doing actions; [`FakeKernel::snapshot`] shows what became of it.
#[derive(Debug, Clone)]
pub struct FakeKernel {
    machine: Machine,
    /// Of the host's namespace: no action adds rules in the container's.
    nat: Nat,
    /// The same of nftables.
    nft: Nft,
    /// Mapped ports.
    ports: Ports,
    /// What is passed on.
    filters: Filters,
    /// What is held back.
    shapes: Shapes,
    stores: Stores,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Files in which links were saved.
    saved: BTreeMap<PathBuf, String>,
    /// What attributes of links had before they were set.
    old_attributes: Vec<(SetLink, String)>,
    /// Bridges that were found and are none of ours.
    foreign_bridges: BTreeSet<IfName>,
    /// As in the real one, a link is not looked up again, so that what went with its peer is found to be gone late.
    indexes: BTreeMap<LinkRef, u32>,
    dry: bool,
}

impl Default for FakeKernel {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeKernel {
    /// A host and a container as the kernel makes them: each with `lo`, down, and nothing else.
    pub fn new() -> Self {
        FakeKernel {
            machine: Machine::new(),
            nat: Nat::default(),
            nft: Nft::default(),
            ports: Ports::default(),
            filters: Filters::default(),
            shapes: Shapes::default(),
            saved: BTreeMap::new(),
            old_attributes: Vec::new(),
            foreign_bridges: BTreeSet::new(),
            stores: Stores::default(),
            files: BTreeMap::new(),
            indexes: BTreeMap::new(),
            dry: false,
        }
    }

    /// The link of that name as it is now.
    fn find(&mut self, netns: Netns, name: &IfName) -> Result<Option<Link>, MachineError> {
        let Some(space) = self.machine.space(netns) else {
            return Err(refused(format!("failed to lookup {:?}", name.as_str()), no_netns()));
        };
        let found = space.find(name.as_str()).cloned();
        let key = LinkRef { netns, name: name.clone() };
        match &found {
            Some(link) => self.indexes.insert(key, link.index),
            None => self.indexes.remove(&key),
        };
        Ok(found)
    }

    /// The link of that name; none is the reference's error.
    fn require(&mut self, netns: Netns, name: &IfName) -> Result<Link, MachineError> {
        self.find(netns, name)?.ok_or_else(|| {
            let source = io::Error::new(io::ErrorKind::NotFound, "Link not found");
            refused(format!("failed to lookup {:?}", name.as_str()), source)
        })
    }

    /// A link's index, without asking for what is known.
    fn index(&mut self, link: &LinkRef) -> Result<u32, MachineError> {
        match self.indexes.get(link) {
            Some(index) => Ok(*index),
            None => self.require(link.netns, &link.name).map(|link| link.index),
        }
    }

    fn has(&self, netns: Netns) -> bool {
        self.machine.space(netns).is_some()
    }
}

/// Why nothing can be done in a container that is gone.
fn no_netns() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace")
}

fn no_entry() -> MachineError {
    MachineError::File {
        what: "failed to enter the container's network namespace".to_owned(),
        source: no_netns(),
    }
}

impl Kernel for FakeKernel {
    fn observe(&mut self, step: &[Action]) -> Vec<Before> {
        self.observe_step(step)
    }

    fn execute(&mut self, step: &[Action]) -> Vec<Outcome> {
        if self.dry {
            let refused = || MachineError::Conflict("this is a dry run: nothing is changed".to_owned());
            return step.iter().map(|_| Outcome::Failed(refused())).collect();
        }
        self.execute_step(step)
    }

    fn undo(&mut self, undos: &[Undo]) -> Vec<Undone> {
        if self.dry {
            return undos.iter().map(|_| Undone::Left("this is a dry run".to_owned())).collect();
        }
        self.undo_all(undos)
    }

    fn verify(&mut self, actions: &[Action]) -> Vec<Vec<Difference>> {
        self.verify_all(actions)
    }

    fn unlock_leases(&mut self) {
        self.stores.unlock();
    }
}

#[cfg(test)]
mod tests;
