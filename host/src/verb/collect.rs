//! Collecting what is left of attachments that are no more: what the verb GC and `wasm-cni gc` have in common.

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

/// A collection as it goes on. It goes on after a failure.
pub struct Collection<'a> {
    node: &'a Node,
    dry: bool,
    /// What was removed, or would be: as commands, below a line for each attachment.
    pub removed: Vec<String>,
    /// Attachments that were left alone because a verb of them runs.
    pub skipped: Vec<String>,
    /// What could not be removed.
    pub failures: Vec<String>,
}

/// Whether an attachment is in the list.
pub fn is_listed(attachment: &Attachment, valid: &[(String, String)]) -> bool {
    let Attachment { container, interface, .. } = attachment;
    valid.iter().any(|(id, name)| id == container.as_str() && name == interface.as_str())
}

impl<'a> Collection<'a> {
    /// One that removes things, or dry only tells of them, without a lock.
    pub fn new(node: &'a Node, dry: bool) -> Self {
        Collection { node, dry, removed: Vec::new(), skipped: Vec::new(), failures: Vec::new() }
    }

    /// Takes back every section that `is_stale`, the latest of a chain first, but for attachments of which a verb runs.
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

    /// False: a verb of its attachment runs.
    fn section(&self, stale: &Section) -> Result<bool, CniError> {
        let (node, attachment) = (self.node, &stale.header.attachment);
        if self.dry {
            return Ok(!node.state.is_locked(attachment));
        }
        let Some(journal) = node.state.try_lock(attachment)? else {
            // A DEL that has ended since has removed it all.
            return Ok(node.state.sections_of(attachment).is_empty());
        };
        // Looked at again under the lock.
        let sections = journal.sections()?;
        let Some(section) = sections.iter().find(|section| section.header == stale.header) else {
            return Ok(true);
        };
        let netns = NetnsFile::open(&section.header.netns).ok();
        let netns_id = netns.as_ref().map(NetnsFile::id);
        section::undo(node, &journal, section, netns_id, &mut node.locked_machine(netns, &journal))?;
        Ok(true)
    }

    /// Removes the rules of a network that are of no listed attachment, whoever made them. What has a journal goes with that.
    pub fn rules(&mut self, network: &NetworkName, valid: &[(String, String)]) {
        let kept = || [valid.to_vec(), self.journaled(|attachment| attachment.network == *network)].concat();
        let found = stale::rules(network, kept, &mut self.node.machine(None, true));
        self.undo(found, "rules without a journal");
    }

    /// Removes chains that check a source MAC for a port that is no more. What has a journal goes with that.
    pub fn source_macs(&mut self, valid: &[(String, String)]) {
        let kept = [valid.to_vec(), self.journaled(|_| true)].concat();
        let found = stale::source_macs(&kept, &mut self.node.machine(None, true));
        self.undo(found, "chains without a journal");
    }

    /// Removes the leases of a store whose owners are not listed, whoever made them. What has a journal goes with that.
    pub fn leases(&mut self, store: &StoreRef, valid: &[(String, String)]) {
        let state = &self.node.state;
        let is_kept = |container: &str, interface: Option<&str>| {
            let is_named = |(id, name): &(String, String)| {
                id == container && interface.is_none_or(|interface| interface == name)
            };
            if valid.iter().any(is_named) {
                return true;
            }
            // Of names that no attachment can have nothing is kept.
            match interface.map(|interface| attachment(&store.network, container, interface).ok()) {
                // An ADD writes its journal before it takes a lease.
                Some(Some(attachment)) => {
                    state.is_locked(&attachment) || !state.sections_of(&attachment).is_empty()
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
            }
            Err(error) => self.failures.push(chain(&error)),
        }
    }

    /// Container and interface of what has a journal.
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

    /// What was removed, a line each; or what could not be removed.
    pub fn ended(self) -> Result<String, CniError> {
        if self.failures.is_empty() {
            return Ok(self.removed.into_iter().map(|line| line + "\n").collect());
        }
        Err(CniError::new(ErrorKind::NotCollected, "not everything could be removed")
            .with_details(self.failures.join("\n")))
    }
}
