//! What the actions of one verb share: the machine, and notes from one action to another.

use super::record::{Effect, Old};
use super::{Action, SetLink};
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Address, Link, Look, Machine, Request};
use crate::machine::rules::{Listing, TableId};
use crate::value::{IfName, LinkRef, Netns};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::Duration;

/// Notes from one action to another, within one verb.
#[derive(Debug, Default)]
pub struct Notes {
    /// Bridges that somebody else created. A port that joins one must not change its attributes.
    pub foreign_bridges: BTreeSet<IfName>,
    /// The attributes of links before [`SetLink`] changed them.
    pub attributes: Vec<(SetLink, Old)>,
    /// The addresses that [`super::DeleteAddress`] found before it deleted them, with their links.
    pub deleted: Vec<(LinkRef, Address)>,
    /// During a repair: the actions in the attachment's journal. The rules of these actions stay, even if the step does
    /// not contain them.
    pub recorded: Vec<Action>,
    /// The tables as they were listed when a step was observed, under the lock of shared objects. The step computes its
    /// edits from them.
    pub listings: BTreeMap<TableId, Listing>,
    /// The time that the waits of the verb took so far. All waits together have a limit.
    pub waited: Duration,
    seen: Seen,
}

impl Notes {
    /// The notes of a stage, if the waits of earlier stages took this time.
    pub fn after_waits(waited: Duration) -> Self {
        Notes { waited, ..Notes::default() }
    }
}

/// The kernel's answers so far. Only [`ReadContext`] uses them, because it changes nothing.
#[derive(Debug, Default)]
struct Seen {
    links: HashMap<LinkRef, Option<Link>>,
    addresses: HashMap<(Netns, u32), Vec<Address>>,
}

/// The right to change a machine. Three types have it: a plan that policy has checked, a section of a journal, and the
/// remains of an attachment.
///
/// The trait is sealed: no other crate can implement it, or construct one of these types.
pub trait Permit: sealed::PermitSeal {}

/// The seal of [`Permit`]. The modules of plans, journals and remains implement it.
pub(crate) mod sealed {
    /// No other crate can name this trait.
    pub trait PermitSeal {}
}

/// Read access to a machine.
pub struct ReadContext<'m> {
    /// The machine.
    pub look: &'m mut dyn Look,
    /// The notes between actions.
    pub notes: &'m mut Notes,
}

impl<'m> ReadContext<'m> {
    /// Creates a context that asks the kernel only once for each link, and once for the addresses of each link.
    pub fn new(look: &'m mut dyn Look, notes: &'m mut Notes) -> Self {
        notes.seen = Seen::default();
        ReadContext { look, notes }
    }

    /// Creates a context that keeps the answers since the last [`ReadContext::new`]. The caller must not have changed
    /// the machine since.
    pub fn again(look: &'m mut dyn Look, notes: &'m mut Notes) -> Self {
        ReadContext { look, notes }
    }

    /// A link. None if the link does not exist, or if the container's namespace is gone.
    pub fn link(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        if !self.look.has_netns(link.netns) {
            return Ok(None);
        }
        if let Some(found) = self.notes.seen.links.get(link) {
            return Ok(found.clone());
        }
        let found = self.look.link(link).map_err(|error| failed_lookup(&link.name, error))?;
        self.notes.seen.links.insert(link.clone(), found.clone());
        Ok(found)
    }

    /// The addresses of the link with this index.
    pub fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<Address>, MachineError> {
        let key = (link.netns, index);
        if let Some(found) = self.notes.seen.addresses.get(&key) {
            return Ok(found.clone());
        }
        let found = self.look.addresses(link.netns, Some(index)).map_err(|error| failed_list(link, error))?;
        self.notes.seen.addresses.insert(key, found.clone());
        Ok(found)
    }

    /// The link that has this index now, whatever its name. None if the container's namespace is gone.
    pub fn link_at(&mut self, link: &LinkRef, index: u32) -> Result<Option<Link>, MachineError> {
        if !self.look.has_netns(link.netns) {
            return Ok(None);
        }
        self.look.link_at(link.netns, index).map_err(|error| failed_lookup(&link.name, error))
    }

    /// A table as this verb listed it before. Lists it now if it did not.
    pub fn listing(&mut self, table: TableId) -> Result<&Listing, crate::machine::rules::TableError> {
        if !self.notes.listings.contains_key(&table) {
            let listing = self.look.tables().list(table)?;
            self.notes.listings.insert(table, listing);
        }
        Ok(self.notes.listings.entry(table).or_insert_with(|| Listing::empty(table)))
    }
}

/// Write access to a machine.
pub struct WriteContext<'m> {
    /// The machine.
    pub machine: &'m mut dyn Machine,
    /// The notes between actions.
    pub notes: &'m mut Notes,
    /// This field is private, so that only [`WriteContext::new`] can construct a context.
    _permit: &'m dyn Permit,
}

impl<'m> WriteContext<'m> {
    /// Creates a context. `permit` proves the right to change the machine.
    pub fn new(permit: &'m dyn Permit, machine: &'m mut dyn Machine, notes: &'m mut Notes) -> Self {
        WriteContext { machine, notes, _permit: permit }
    }

    /// A link as the kernel reports it now. Fails if the container's namespace is gone.
    pub fn link(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        self.machine.link(link).map_err(|error| failed_lookup(&link.name, error))
    }

    /// The same, but returns none if the container's namespace is gone.
    pub fn seen(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        if self.machine.has_netns(link.netns) { self.link(link) } else { Ok(None) }
    }

    /// A link that must exist. If it does not, the error is the reference's.
    pub fn require(&mut self, link: &LinkRef) -> Result<Link, MachineError> {
        self.link(link)?.ok_or_else(|| not_found(&link.name))
    }

    /// The link with this index, whatever its name. None if the container's namespace is gone.
    pub fn link_at(&mut self, link: &LinkRef, index: u32) -> Result<Option<Link>, MachineError> {
        if !self.machine.has_netns(link.netns) {
            return Ok(None);
        }
        self.machine.link_at(link.netns, index).map_err(|error| failed_lookup(&link.name, error))
    }

    /// The index of a link, without a request for its attributes.
    pub fn index(&mut self, link: &LinkRef) -> Result<u32, MachineError> {
        let found = self.machine.index(link).map_err(|error| failed_lookup(&link.name, error))?;
        found.ok_or_else(|| not_found(&link.name))
    }

    /// The addresses of the link with this index.
    pub fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<Address>, MachineError> {
        self.machine.addresses(link.netns, Some(index)).map_err(|error| failed_list(link, error))
    }

    /// Sends requests as one batch. Returns the first error, with the text `what`.
    pub fn send(&mut self, netns: Netns, requests: Vec<Request>, what: &str) -> Result<(), MachineError> {
        if requests.is_empty() {
            return Ok(());
        }
        let answers = self.machine.send(netns, requests);
        answers.into_iter().collect::<io::Result<()>>().map_err(|error| refused(what, error))
    }
}

/// An error of the kernel, with what was tried and the kernel's error in the wording of Go's `syscall` package.
pub fn refused(what: impl Into<String>, source: io::Error) -> MachineError {
    MachineError::Netlink { what: what.into(), source: as_go(source) }
}

/// The result of requests that create something: created, or an error with what was tried.
pub fn created(
    answers: Vec<io::Result<()>>,
    failed: impl FnOnce() -> String,
) -> Result<Effect, MachineError> {
    let all: io::Result<()> = answers.into_iter().collect();
    all.map(|()| Effect::Created).map_err(|error| refused(failed(), error))
}

/// The reference's error for a missing link.
pub fn not_found(name: &IfName) -> MachineError {
    failed_lookup(name, io::Error::new(io::ErrorKind::NotFound, "Link not found"))
}

fn failed_lookup(name: &IfName, error: io::Error) -> MachineError {
    refused(format!("failed to lookup {:?}", name.as_str()), error)
}

fn failed_list(link: &LinkRef, error: io::Error) -> MachineError {
    refused(format!("failed to get IP addresses for {:?}", link.name.as_str()), error)
}
