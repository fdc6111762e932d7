//! What the rooms of one verb share: the machine, and what one action tells another.

use super::record::Effect;
use super::{Action, LinkAttribute, SetLink};
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Address, Link, Look, Machine, Request};
use crate::machine::rules::{Listing, TableId};
use crate::value::{IfName, LinkRef, Netns};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

/// What one action tells another within a verb.
#[derive(Debug, Default)]
pub struct Notes {
    /// Bridges that were found and are none of ours: a port that joins must not change them.
    pub foreign_bridges: BTreeSet<IfName>,
    /// What attributes of links were before they are set.
    pub attributes: Vec<(SetLink, LinkAttribute)>,
    /// What was known of addresses before they are deleted, by link.
    pub deleted: Vec<(LinkRef, Address)>,
    /// Where something is repaired, what the attachment's journal holds: rules of these stay, though they are not in the step.
    pub recorded: Vec<Action>,
    /// Tables as they were listed when a step was looked at, under the lock of shared objects: the step's own edits follow from them.
    pub listings: BTreeMap<TableId, Listing>,
    seen: Seen,
}

/// What was asked of the kernel, for whoever only looks.
#[derive(Debug, Default)]
struct Seen {
    links: HashMap<LinkRef, Option<Link>>,
    addresses: HashMap<(Netns, u32), Vec<Address>>,
}

/// What gives the right to change a machine: a plan that policy has checked, a section of a journal, or what was found to be an attachment's.
///
/// It is sealed: no other crate can implement it, nor make one of these by itself.
pub trait Permit: sealed::PermitSeal {}

/// The seal of [`Permit`]. Plan, journal and remains, which are below this module, implement it.
pub(crate) mod sealed {
    /// Nobody outside of this crate can name it.
    pub trait PermitSeal {}
}

/// A machine for looking.
pub struct ReadContext<'m> {
    /// The machine.
    pub look: &'m mut dyn Look,
    /// What actions tell each other.
    pub notes: &'m mut Notes,
}

impl<'m> ReadContext<'m> {
    /// Asks for each link, and for the addresses of each, once.
    pub fn new(look: &'m mut dyn Look, notes: &'m mut Notes) -> Self {
        notes.seen = Seen::default();
        ReadContext { look, notes }
    }

    /// Goes on with what the same verb has looked at since the last [`ReadContext::new`], and has not changed.
    pub fn again(look: &'m mut dyn Look, notes: &'m mut Notes) -> Self {
        ReadContext { look, notes }
    }

    /// A link; none, too, where the container is gone.
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

    /// The addresses of a link of that index.
    pub fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<Address>, MachineError> {
        let key = (link.netns, index);
        if let Some(found) = self.notes.seen.addresses.get(&key) {
            return Ok(found.clone());
        }
        let found = self.look.addresses(link.netns, Some(index)).map_err(|error| failed_list(link, error))?;
        self.notes.seen.addresses.insert(key, found.clone());
        Ok(found)
    }

    /// Whether a link of that index still exists, under whatever name, and is of that kind.
    pub fn link_at(&mut self, link: &LinkRef, index: u32) -> Result<Option<Link>, MachineError> {
        if !self.look.has_netns(link.netns) {
            return Ok(None);
        }
        self.look.link_at(link.netns, index).map_err(|error| failed_lookup(&link.name, error))
    }

    /// A table, as it was listed before in this verb, or now.
    pub fn listing(&mut self, table: TableId) -> Result<&Listing, crate::machine::rules::TableError> {
        if !self.notes.listings.contains_key(&table) {
            let listing = self.look.tables().list(table)?;
            self.notes.listings.insert(table, listing);
        }
        Ok(self.notes.listings.entry(table).or_insert_with(|| Listing::empty(table)))
    }
}

/// A machine for changing.
pub struct WriteContext<'m> {
    /// The machine.
    pub machine: &'m mut dyn Machine,
    /// What actions tell each other.
    pub notes: &'m mut Notes,
    /// Private, so that [`WriteContext::new`] alone makes one.
    _permit: &'m dyn Permit,
}

impl<'m> WriteContext<'m> {
    /// With a permit to change the machine.
    pub fn new(permit: &'m dyn Permit, machine: &'m mut dyn Machine, notes: &'m mut Notes) -> Self {
        WriteContext { machine, notes, _permit: permit }
    }

    /// A link as the kernel has it now; an error, where the container is gone.
    pub fn link(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        self.machine.link(link).map_err(|error| failed_lookup(&link.name, error))
    }

    /// The same; none, too, where the container is gone.
    pub fn seen(&mut self, link: &LinkRef) -> Result<Option<Link>, MachineError> {
        if self.machine.has_netns(link.netns) { self.link(link) } else { Ok(None) }
    }

    /// A link that has to be there; none is the reference's error.
    pub fn require(&mut self, link: &LinkRef) -> Result<Link, MachineError> {
        self.link(link)?.ok_or_else(|| not_found(&link.name))
    }

    /// The link of that index, under whatever name; none, too, where the container is gone.
    pub fn link_at(&mut self, link: &LinkRef, index: u32) -> Result<Option<Link>, MachineError> {
        if !self.machine.has_netns(link.netns) {
            return Ok(None);
        }
        self.machine.link_at(link.netns, index).map_err(|error| failed_lookup(&link.name, error))
    }

    /// A link's index, without asking for what is known.
    pub fn index(&mut self, link: &LinkRef) -> Result<u32, MachineError> {
        let found = self.machine.index(link).map_err(|error| failed_lookup(&link.name, error))?;
        found.ok_or_else(|| not_found(&link.name))
    }

    /// The addresses of a link of that index.
    pub fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<Address>, MachineError> {
        self.machine.addresses(link.netns, Some(index)).map_err(|error| failed_list(link, error))
    }

    /// Sends requests as one batch; the first error counts, in the words `what`.
    pub fn send(&mut self, netns: Netns, requests: Vec<Request>, what: &str) -> Result<(), MachineError> {
        if requests.is_empty() {
            return Ok(());
        }
        let answers = self.machine.send(netns, requests);
        answers.into_iter().collect::<io::Result<()>>().map_err(|error| refused(what, error))
    }
}

/// What was tried, with the kernel's answer in Go's words.
pub fn refused(what: impl Into<String>, source: io::Error) -> MachineError {
    MachineError::Netlink { what: what.into(), source: as_go(source) }
}

/// What answers to requests mean that make something: it is made, or else the error says what was tried.
pub fn created(
    answers: Vec<io::Result<()>>,
    failed: impl FnOnce() -> String,
) -> Result<Effect, MachineError> {
    let all: io::Result<()> = answers.into_iter().collect();
    all.map(|()| Effect::Created).map_err(|error| refused(failed(), error))
}

/// The reference's error for a link that is not there.
pub fn not_found(name: &IfName) -> MachineError {
    failed_lookup(name, io::Error::new(io::ErrorKind::NotFound, "Link not found"))
}

fn failed_lookup(name: &IfName, error: io::Error) -> MachineError {
    refused(format!("failed to lookup {:?}", name.as_str()), error)
}

fn failed_list(link: &LinkRef, error: io::Error) -> MachineError {
    refused(format!("failed to get IP addresses for {:?}", link.name.as_str()), error)
}
