//! The real machine: two namespaces, lease stores, rules.

mod bridge;
mod execute;
mod facts;
mod file;
mod filter;
mod leases;
mod links;
mod observe;
mod portmap;
pub mod remains;
mod rules;
mod settle;
mod shape;
pub mod stale;
mod undo;
mod verify;
mod vlan;

use super::errno::as_go;
use super::iptables::Family;
use super::lease::Store;
use super::netlink::{Link, Netlink, link, refused};
use super::netns::{Guard, NetnsFile};
use super::{Before, Difference, Kernel, MachineError, Outcome, Undo, Undone};
use crate::action::Action;
use crate::action::SetLink;
use crate::value::{Backend, IfName, LinkRef, Netns, StoreRef};
use ipnetwork::IpNetwork;
use nix::unistd::dup;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The host's namespace, which is the calling thread's, and a container's.
///
/// All calls have to come from one thread, the one whose namespace is the host's.
pub struct HostKernel {
    container: Option<NetnsFile>,
    dry: bool,
    host_socket: Option<Netlink>,
    container_socket: Option<Netlink>,
    /// Indexes of links seen or made here; the kernel gives none twice, so at worst there is no such link any more.
    indexes: HashMap<LinkRef, u32>,
    /// What was found while a step is looked at: each is asked for once.
    looked_at: Option<LookedAt>,
    /// What was known of addresses before they were deleted here.
    deleted_addresses: BTreeMap<(LinkRef, IpNetwork), String>,
    /// What attributes of links had before they were set here.
    old_attributes: Vec<(SetLink, String)>,
    /// Bridges that were found and are none of ours.
    foreign_bridges: BTreeSet<IfName>,
    /// What was listed last of each backend and family (IPv4: true) of port maps.
    shared_by_ports: HashMap<(Backend, bool), String>,
    /// Table `filter` of each family, as it was looked at last.
    filters: HashMap<Family, String>,
    stores: BTreeMap<StoreRef, Store>,
    lease_indexes: Option<PathBuf>,
    /// The lock of the attachment, for the processes that are started here.
    lock: Option<OwnedFd>,
    /// How long a link may take to settle.
    patience: Duration,
    refusal: Option<MachineError>,
}

/// Links, and their addresses by index.
#[derive(Default)]
struct LookedAt {
    links: HashMap<LinkRef, Option<Link>>,
    addresses: HashMap<(Netns, u32), Vec<IpNetwork>>,
}

impl HostKernel {
    /// A machine with that container namespace, if it has one; a dry one takes no lock and makes no file.
    ///
    /// Opens nothing yet.
    pub fn open(container: Option<NetnsFile>, dry: bool) -> Self {
        HostKernel {
            container,
            dry,
            host_socket: None,
            container_socket: None,
            indexes: HashMap::new(),
            looked_at: None,
            deleted_addresses: BTreeMap::new(),
            old_attributes: Vec::new(),
            foreign_bridges: BTreeSet::new(),
            shared_by_ports: HashMap::new(),
            filters: HashMap::new(),
            stores: BTreeMap::new(),
            lease_indexes: None,
            lock: None,
            patience: settle::PATIENCE,
            refusal: None,
        }
    }

    /// Keeps indexes of lease stores in that directory, which need not exist; without one, each question reads a whole store.
    pub fn with_lease_indexes(mut self, directory: PathBuf) -> Self {
        self.lease_indexes = Some(directory);
        self
    }

    /// Firewall processes that are started here hold this lock too (`flock`). When this process is killed, one of them may still be
    /// about to add rules: whoever takes the lock next comes after that.
    pub fn with_lock(mut self, lock: BorrowedFd<'_>) -> Self {
        self.lock = lock.try_clone_to_owned().ok();
        self
    }

    /// The shared lock as a descriptor that a new process inherits, until it is dropped.
    fn inherited_lock(&self) -> Option<OwnedFd> {
        // Too many open files: then it is as if the lock were not shared.
        self.lock.as_ref().and_then(|lock| dup(lock).ok())
    }

    /// Does now what can be done while a planner computes: opens both sockets, and looks at a link that is always there, since the
    /// code for a first question is yet to be read from its file. A failure shows again when they are used.
    pub fn prepare(&mut self) {
        for netns in [Netns::Host, Netns::Container] {
            let _ = self.socket(netns);
        }
        if let Ok(name) = IfName::parse("lo") {
            let _ = self.link_fact(&LinkRef { netns: Netns::Host, name }, true);
        }
    }

    /// From now on each link, with its addresses, is asked for once: for who only looks.
    pub fn look_once(&mut self) {
        self.looked_at = Some(LookedAt::default());
    }

    /// The error behind the last [`crate::action::Answer::Failed`]: whether the call is worth repeating.
    pub fn take_refusal(&mut self) -> Option<MachineError> {
        self.refusal.take()
    }

    /// The socket of a namespace.
    fn socket(&mut self, netns: Netns) -> io::Result<&mut Netlink> {
        let slot = match netns {
            Netns::Host => &mut self.host_socket,
            Netns::Container => &mut self.container_socket,
        };
        match slot {
            Some(socket) => Ok(socket),
            None => {
                let guard = enter(self.container.as_ref(), netns)?;
                let socket = Netlink::open()?;
                drop(guard);
                Ok(slot.insert(socket))
            }
        }
    }

    /// Whether there is a namespace at all: a container that is gone has none.
    fn has(&self, netns: Netns) -> bool {
        match netns {
            Netns::Host => true,
            Netns::Container => self.container.is_some(),
        }
    }

    /// The link of that name as the kernel has it now.
    fn find(&mut self, netns: Netns, name: &IfName) -> Result<Option<Link>, MachineError> {
        let key = LinkRef { netns, name: name.clone() };
        if let Some(found) = self.looked_at.as_ref().and_then(|looked_at| looked_at.links.get(&key)) {
            return Ok(found.clone());
        }
        let found = self.socket(netns).and_then(|socket| link::find(socket, name));
        let found =
            found.map_err(|source| refused(format!("failed to lookup {:?}", name.as_str()), source))?;
        if let Some(looked_at) = &mut self.looked_at {
            looked_at.links.insert(key.clone(), found.clone());
        }
        match &found {
            Some(link) => self.indexes.insert(key, link.index),
            None => self.indexes.remove(&key),
        };
        Ok(found)
    }

    /// The link of that name; none is the reference's error.
    fn require(&mut self, netns: Netns, name: &IfName) -> Result<Link, MachineError> {
        self.find(netns, name)?.ok_or_else(|| not_found(name))
    }

    /// A link's index, without asking for what is known.
    fn index(&mut self, link: &LinkRef) -> Result<u32, MachineError> {
        match self.indexes.get(link) {
            Some(index) => Ok(*index),
            None => self.require(link.netns, &link.name).map(|link| link.index),
        }
    }
}

/// Moves the thread into the container's namespace; the host's is where it is.
fn enter(container: Option<&NetnsFile>, netns: Netns) -> io::Result<Option<Guard>> {
    match (netns, container) {
        (Netns::Host, _) => Ok(None),
        (Netns::Container, Some(container)) => container.enter().map(Some),
        (Netns::Container, None) => {
            Err(io::Error::new(io::ErrorKind::NotFound, "the container has no network namespace"))
        }
    }
}

fn not_found(name: &IfName) -> MachineError {
    let source = io::Error::new(io::ErrorKind::NotFound, "Link not found");
    refused(format!("failed to lookup {:?}", name.as_str()), source)
}

fn no_entry(source: io::Error) -> MachineError {
    MachineError::File {
        what: "failed to enter the container's network namespace".to_owned(),
        source: as_go(source),
    }
}

impl Kernel for HostKernel {
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
        self.stores.values_mut().for_each(Store::unlock);
    }
}

#[cfg(test)]
mod tests;
