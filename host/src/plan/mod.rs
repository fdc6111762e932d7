//! The plan: actions with their plugins, first as a draft, then checked.

pub mod checked;
pub mod demand;
pub mod document;

pub use checked::{CheckedPlan, Journalled, check, check_again};
pub use demand::Demand;

use crate::action::{Action, Lifetime, Query, SetLink};
use crate::value::{Interface, LinkRef, Netns, PluginName, Report, derive};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An action of a plan, with the plugin that recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The plugin that recorded it: `bridge`, or its delegate `host-local`.
    pub plugin: PluginName,
    /// The lifetime of what the action creates.
    pub lifetime: Lifetime,
    /// The action.
    pub action: Action,
}

impl Entry {
    /// Whether the action may create something that other attachments use too, or its rollback remove it.
    pub fn is_shared(&self) -> bool {
        self.lifetime != Lifetime::Attachment || self.action.kind().profile().shares
    }
}

/// The SHA-256 of a plan in lower-case hexadecimal. It is equal for equal actions and an equal report.
pub fn digest<'a>(entries: impl Iterator<Item = &'a Entry>, report: &Report) -> String {
    let mut hash = Sha256::new();
    // serde writes fields in the order of their declaration. There are no maps, whose order could vary.
    for entry in entries {
        hash.update(serde_json::to_string(entry).unwrap_or_default());
        hash.update("\n");
    }
    hash.update(serde_json::to_string(report).unwrap_or_default());
    derive::hex(&hash.finalize())
}

/// A recorded plan that is not checked. It can be printed or refused, but not applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPlan {
    /// The actions, in the order in which they are applied.
    pub entries: Vec<Entry>,
    /// The result, before the kernel's values are filled in.
    pub report: Report,
    /// The facts that could not be read and count as absent.
    pub unreadable: Vec<Query>,
}

/// The interfaces, with the Ethernet addresses that actions set on those in the container. `sandbox` is its
/// `CNI_NETNS`.
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
