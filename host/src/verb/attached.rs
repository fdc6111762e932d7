//! The attachments of this node, as their journals describe them.

use crate::apply::{Section, StateDir};
use crate::machine::netns::NetnsFile;
use crate::value::{Attachment, NetworkName};
use serde::Serialize;
use std::collections::HashMap;

/// An attachment with the sections of all plugins of its chain.
#[derive(Debug)]
pub struct Attached {
    /// Network, container and interface.
    pub attachment: Attachment,
    /// The sections in the order of the chain. There is at least one.
    pub sections: Vec<Section>,
}

/// The state of an attachment, as far as the journal shows it without the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The ADD succeeded.
    Complete,
    /// The ADD failed or was killed and left something. The next ADD, DEL or GC undoes it.
    Unfinished,
    /// An ADD, DEL or GC of the attachment runs now.
    InFlight,
    /// The container's namespace does not exist any more, or its path leads to another one.
    NetnsGone,
}

/// The attachments of one network, or of all networks, the oldest first. It takes no lock.
pub fn all(state: &StateDir, network: Option<&NetworkName>) -> Vec<Attached> {
    let mut sections = state.sections(None);
    sections.retain(|section| network.is_none_or(|network| section.header.attachment.network == *network));
    sections.sort_by_key(|section| (section.header.created, section.header.ordinal));
    let mut places: HashMap<Attachment, usize> = HashMap::new();
    let mut found: Vec<Attached> = Vec::new();
    for section in sections {
        let attachment = &section.header.attachment;
        match places.get(attachment).and_then(|place| found.get_mut(*place)) {
            Some(attached) => attached.sections.push(section),
            None => {
                places.insert(attachment.clone(), found.len());
                found.push(Attached { attachment: attachment.clone(), sections: vec![section] });
            }
        }
    }
    found
}

impl Attached {
    /// The container's namespace. `None` if it does not exist any more, or if the ADD got none.
    pub fn netns(&self) -> Option<NetnsFile> {
        let header = &self.sections.iter().find(|section| section.header.netns_id.is_some())?.header;
        let netns = NetnsFile::open(&header.netns).ok()?;
        (Some(netns.id()) == header.netns_id).then_some(netns)
    }

    /// Whether the ADD got a namespace that does not exist any more.
    pub fn is_dead(&self) -> bool {
        self.sections.iter().any(|section| section.header.netns_id.is_some()) && self.netns().is_none()
    }

    /// `CNI_NETNS` of the ADD.
    pub fn netns_path(&self) -> &str {
        self.sections.first().map(|section| section.header.netns.as_str()).unwrap_or_default()
    }

    /// The components that recorded the plans, with their SHA-256.
    pub fn plugins(&self) -> Vec<(String, String)> {
        self.sections.iter().flat_map(|section| section.header.plugins.iter().cloned()).collect()
    }

    /// The present state.
    pub fn state(&self, state: &StateDir) -> State {
        if state.is_locked(&self.attachment) { State::InFlight } else { self.state_under_lock() }
    }

    /// The present state, for a caller that holds the lock of the attachment.
    pub fn state_under_lock(&self) -> State {
        if self.sections.iter().any(|section| section.report.is_none()) {
            State::Unfinished
        } else if self.is_dead() {
            State::NetnsGone
        } else {
            State::Complete
        }
    }
}
