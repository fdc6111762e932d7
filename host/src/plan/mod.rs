//! The plan: actions with where they come from, first as a draft, then checked.

pub mod checked;
pub mod document;

pub use checked::{CheckedPlan, Journalled, check, check_again};

use crate::action::{Action, Lifetime, Query, SetLink};
use crate::value::{Interface, LinkRef, Netns, PluginName, Report, derive};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An action and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The plugin that recorded it: `bridge`, or its delegate `host-local`.
    pub plugin: PluginName,
    /// How long what it makes is meant to last.
    pub lifetime: Lifetime,
    /// What to do.
    pub action: Action,
}

impl Entry {
    /// Whether it may make, or its rollback remove, what others use too.
    pub fn is_shared(&self) -> bool {
        self.lifetime != Lifetime::Attachment || self.action.kind().profile().shares
    }
}

/// The SHA-256 of a plan, lower-case hexadecimal: equal for equal actions and an equal report.
pub fn digest<'a>(entries: impl Iterator<Item = &'a Entry>, report: &Report) -> String {
    let mut hash = Sha256::new();
    // Fields are written in the order of their declaration; nothing of it is a map.
    for entry in entries {
        hash.update(serde_json::to_string(entry).unwrap_or_default());
        hash.update("\n");
    }
    hash.update(serde_json::to_string(report).unwrap_or_default());
    derive::hex(&hash.finalize())
}

/// What plugins recorded, not yet checked: it can be shown and refused, not applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// In the order in which they are applied.
    pub entries: Vec<Entry>,
    /// The result, before the kernel's values are filled in.
    pub report: Report,
    /// What could not be read and was taken to be absent.
    pub unreadable: Vec<Query>,
}

/// Interfaces with the Ethernet addresses that actions set on those in the container, whose `CNI_NETNS` is `sandbox`.
pub fn with_macs<'a>(
    mut interfaces: Vec<Interface>,
    sandbox: &str,
    actions: impl Iterator<Item = &'a Action>,
) -> Vec<Interface> {
    for (LinkRef { netns, name }, mac) in actions.filter_map(SetLink::mac_of) {
        let is_it = |interface: &&mut Interface| {
            *netns == Netns::Container && interface.name == name.as_str() && interface.sandbox == sandbox
        };
        interfaces.iter_mut().filter(is_it).for_each(|interface| interface.mac = mac.to_string());
    }
    interfaces
}
