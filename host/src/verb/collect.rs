//! Collects the remains of attachments that do not exist any more. The verb GC and `wasm-cni gc` share this.

use crate::action::undo;
use crate::apply::{self, Remains, Section, stale};
use crate::cni::command::attachment;
use crate::cni::{CniError, ErrorKind};
use crate::error::{chain, left};
use crate::machine::netns::NetnsFile;
use crate::machine::port::Look as _;
use crate::node::Node;
use crate::section;
use crate::value::{Attachment, NetworkName, StoreRef};
use std::cell::RefCell;

/// A collection in progress. It continues after a failure.
pub struct Collection<'a> {
    node: &'a Node,
    dry: bool,
    /// What was removed, or in a dry run would be: a line for each attachment, followed by commands.
    pub removed: Vec<String>,
    /// The attachments that were skipped because a verb of them runs.
    pub skipped: Vec<String>,
    /// The failures.
    pub failures: Vec<String>,
}

/// Whether an attachment is in the list.
pub fn is_listed(attachment: &Attachment, valid: &[(String, String)]) -> bool {
    let Attachment { container, interface, .. } = attachment;
    valid.iter().any(|(id, name)| id == container.as_str() && name == interface.as_str())
}

impl<'a> Collection<'a> {
    /// Starts a collection. With `dry`, it only lists what it would remove, and takes no lock.
    pub fn new(node: &'a Node, dry: bool) -> Self {
        Collection { node, dry, removed: Vec::new(), skipped: Vec::new(), failures: Vec::new() }
    }

    /// Undoes every section for which `is_stale` is true, the latest of a chain first. Skips an attachment of which a
    /// verb runs.
    pub fn sections(&mut self, is_stale: impl Fn(&Section) -> bool) {
        let mut sections = self.node.state.sections(None);
        sections.retain(is_stale);
        sections.sort_by_key(|section| std::cmp::Reverse((section.header.created, section.header.ordinal)));
        for section in sections {
            let Attachment { network, container, interface } = &section.header.attachment;
            let name = format!("interface {interface} of container {container} on network {network}");
            match self.section(&section) {
                Ok(true) => {
                    self.removed.push(format!("{name}, plugin {}", section.header.plugin));
                    let undos = apply::undo::undos(&section, section.reason(), &[]);
                    let netns = &section.header.netns;
                    self.removed.extend(undos.iter().map(|undo| format!("  {}", undo::command(undo, netns))));
                }
                Ok(false) => self.skipped.push(name),
                Err(error) => self.failures.push(format!("{name}: {}\n{}", error.msg, error.details)),
            }
        }
    }

    /// Undoes a section. Returns `false` if a verb of its attachment runs.
    fn section(&self, stale: &Section) -> Result<bool, CniError> {
        let (node, attachment) = (self.node, &stale.header.attachment);
        if self.dry {
            return Ok(!node.state.is_locked(attachment));
        }
        let Some(journal) = node.state.try_lock(attachment)? else {
            // The lock was taken by a DEL that has ended meanwhile and removed everything.
            return Ok(node.state.sections_of(attachment).is_empty());
        };
        // Read the sections again, now under the lock.
        let sections = journal.sections()?;
        let Some(section) = sections.iter().find(|section| section.header == stale.header) else {
            return Ok(true);
        };
        let netns = NetnsFile::open(&section.header.netns).ok();
        let netns_id = netns.as_ref().map(NetnsFile::id);
        section::undo(node, &journal, section, netns_id, &mut node.locked_machine(netns, &journal))?;
        Ok(true)
    }

    /// Removes the rules of a network whose attachment is not listed, no matter which program made them. Rules of an
    /// attachment with a journal are kept: the undo of the journal removes them.
    pub fn rules(&mut self, network: &NetworkName, valid: &[(String, String)]) {
        let kept = || [valid.to_vec(), self.journaled(|attachment| attachment.network == *network)].concat();
        let found = stale::rules(network, kept, &mut self.node.machine(None, true));
        self.undo(found, "rules without a journal");
    }

    /// Removes chains that check the source MAC of a port that does not exist any more. Chains of an attachment with
    /// a journal are kept: the undo of the journal removes them.
    pub fn source_macs(&mut self, valid: &[(String, String)]) {
        let kept = [valid.to_vec(), self.journaled(|_| true)].concat();
        let found = stale::source_macs(&kept, &mut self.node.machine(None, true));
        self.undo(found, "chains without a journal");
    }

    /// Removes the leases of a store whose owner is not listed, no matter which program made them, and the owner's links
    /// on the host. Leases of an attachment with a journal are kept: the undo of the journal removes them.
    pub fn leases(&mut self, store: &StoreRef, valid: &[(String, String)]) {
        let state = &self.node.state;
        let owners = RefCell::new(Vec::new());
        let is_kept = |container: &str, interface: Option<&str>| {
            let is_named = |(id, name): &(String, String)| {
                id == container && interface.is_none_or(|interface| interface == name)
            };
            if valid.iter().any(is_named) {
                return true;
            }
            // A lease whose owner's name is invalid belongs to no attachment, so it is removed.
            match interface.map(|interface| attachment(&store.network, container, interface).ok()) {
                // An ADD writes its journal before it reserves an address.
                Some(Some(attachment)) => {
                    let is_kept = state.is_locked(&attachment) || !state.sections_of(&attachment).is_empty();
                    if !is_kept {
                        owners.borrow_mut().push(attachment);
                    }
                    is_kept
                }
                Some(None) => false,
                None => self.journaled(|attachment| attachment.network == store.network).iter().any(is_named),
            }
        };
        let mut machine = self.node.machine(None, self.dry);
        match machine.stores().release_unlisted(store, &is_kept) {
            Ok((released, failed)) => {
                let directory = store.directory();
                let path = |address: &std::net::IpAddr| directory.join(address.to_string());
                self.removed.extend(released.iter().map(|address| format!("rm {}", path(address).display())));
                self.failures.extend(failed.iter().map(|error| chain(error)));
                self.undo(stale::filters(&released, &mut machine), "rules without a journal");
                for owner in owners.into_inner() {
                    self.links(&owner);
                }
            }
            Err(error) => self.failures.push(chain(&error)),
        }
    }

    /// Removes the links on the host of an attachment without a journal, unless a verb of it began meanwhile.
    fn links(&mut self, attachment: &Attachment) {
        let state = &self.node.state;
        if state.is_locked(attachment) {
            return;
        }
        let lock = match self.dry {
            true => None,
            false => match state.lock(attachment).and_then(|journal| Ok((journal.sections()?, journal))) {
                Ok((sections, journal)) if sections.is_empty() => Some(journal),
                Ok(_) => return,
                Err(error) => return self.failures.push(chain(&error)),
            },
        };
        let found = Remains::links(attachment, &mut self.node.machine(None, self.dry));
        self.undo(found, "links without a journal");
        drop(lock);
    }

    /// Container and interface of the attachments that have a journal and for which `is_meant` is true.
    fn journaled(&self, is_meant: impl Fn(&Attachment) -> bool) -> Vec<(String, String)> {
        let sections = self.node.state.sections(None).into_iter();
        let meant = sections.map(|section| section.header.attachment).filter(is_meant);
        meant.map(|attachment| (attachment.container.into(), attachment.interface.into())).collect()
    }

    fn undo(&mut self, found: Remains, what: &str) {
        self.failures.extend(found.unread.iter().map(|error| chain(error)));
        self.removed.extend(found.undos.iter().map(|undo| undo::command(undo, "")));
        if self.dry {
            return;
        }
        let stuck = found.undo("", &mut self.node.machine(None, false));
        if !stuck.is_empty() {
            self.failures.push(left(what, &stuck));
        }
    }

    /// The removed objects, one per line, or the error with the failures.
    pub fn ended(self) -> Result<String, CniError> {
        if self.failures.is_empty() {
            return Ok(self.removed.into_iter().map(|line| line + "\n").collect());
        }
        Err(CniError::new(ErrorKind::NotCollected, "not everything could be removed")
            .with_details(self.failures.join("\n")))
    }
}
