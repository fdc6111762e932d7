//! Deleting links that were made: each is looked at first.

use super::failed_delete;
use crate::action::context::{ReadContext, WriteContext};
use crate::action::profile::{Retract, Retraction, UndoLane};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::port::{Request, on_host};
use crate::value::shell::word;
use crate::value::{IfName, LinkIdentity, Netns};

/// What deletes the link of that name and index.
pub(super) fn deletion(name: &IfName, index: u32) -> Retraction {
    Retraction::Send(vec![vec![Request::Delete(index)]], failed_delete(name))
}

/// The same as a command.
pub(super) fn deletion_command(name: &IfName) -> String {
    format!("ip link delete {}", word(name.as_str()))
}

/// Deletes a link if index, kind and alias are still those (the MAC too, where it has no alias).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLink {
    /// Which.
    pub identity: LinkIdentity,
}

impl Inverse for DeleteLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.identity.link.netns, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.identity.link.name)
    }

    /// Whether it still exists, under whatever name.
    fn is_left(&self, cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        let LinkIdentity { link, index, kind, .. } = &self.identity;
        Ok(cx.link_at(link, *index)?.is_some_and(|found| found.kind == *kind))
    }
}

impl Retract for DeleteLink {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let LinkIdentity { link, index, kind, mac, alias } = &self.identity;
        let name = &link.name;
        let Some(found) = cx.link_at(link, *index)? else { return Ok(Retraction::GONE) };
        let is_same_alias = found.alias == *alias;
        let is_same_mac = alias.is_some() || found.mac == *mac;
        if found.kind != *kind || !is_same_alias || !is_same_mac {
            let text = format!("link {name} is not the one that was made");
            return Ok(Retraction::left(text));
        }
        Ok(deletion(name, found.index))
    }
}

/// Deletes a link of that name and alias: a step that did not end did not note its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteMarkedLink {
    /// In the host's namespace.
    pub name: IfName,
    /// Shows it to be ours.
    pub alias: String,
}

impl Inverse for DeleteMarkedLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(Netns::Host, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.name)
    }
}

impl Retract for DeleteMarkedLink {
    fn prepare(&self, cx: &mut WriteContext<'_>) -> Result<Retraction, MachineError> {
        let DeleteMarkedLink { name, alias } = self;
        Ok(match cx.link(&on_host(name))? {
            None => Retraction::GONE,
            Some(found) if found.alias.as_deref() == Some(alias) => deletion(name, found.index),
            Some(_) => {
                let text = format!("link {name} is not ours: it has another alias");
                Retraction::left(text)
            }
        })
    }
}
