//! What is on this node, by the journals alone.

use crate::apply::{Section, StateDir};
use crate::machine::netns::NetnsFile;
use crate::value::{Attachment, NetworkName};
use serde::Serialize;
use std::collections::HashMap;

/// An attachment with all that the plugins of its chain noted.
#[derive(Debug)]
pub struct Attached {
    /// Whose interface on which network.
    pub attachment: Attachment,
    /// At least one; the first plugin of the chain first.
    pub sections: Vec<Section>,
}

/// How an attachment is, as far as can be told without comparing it with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its ADD ended well.
    Complete,
    /// Its ADD failed or was killed, and something is left: the next ADD, DEL or GC takes it back.
    Unfinished,
    /// An ADD, DEL or GC of it runs now.
    InFlight,
    /// The container's namespace is gone, or another one is at its path.
    NetnsGone,
}

/// The attachments of a network, or of all; the oldest first. Takes no lock.
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
    /// The container's namespace; none, if it is gone or was never given.
    pub fn netns(&self) -> Option<NetnsFile> {
        let header = &self.sections.iter().find(|section| section.header.netns_id.is_some())?.header;
        let netns = NetnsFile::open(&header.netns).ok()?;
        (Some(netns.id()) == header.netns_id).then_some(netns)
    }

    /// Whether it had a namespace, and that is gone.
    pub fn is_dead(&self) -> bool {
        self.sections.iter().any(|section| section.header.netns_id.is_some()) && self.netns().is_none()
    }

    /// `CNI_NETNS` as given.
    pub fn netns_path(&self) -> &str {
        self.sections.first().map(|section| section.header.netns.as_str()).unwrap_or_default()
    }

    /// The components that recorded it, with their SHA-256.
    pub fn plugins(&self) -> Vec<(String, String)> {
        self.sections.iter().flat_map(|section| section.header.plugins.iter().cloned()).collect()
    }

    /// How it is now.
    pub fn state(&self, state: &StateDir) -> State {
        if state.is_locked(&self.attachment) { State::InFlight } else { self.state_under_lock() }
    }

    /// The same for who holds its lock.
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
