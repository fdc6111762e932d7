//! Deletion of links that we created. Each deletion first checks that the link is still the recorded one.

use super::failed_delete;
use crate::action::context::{ReadContext, WriteContext};
use crate::action::profile::{Retract, Retraction, UndoLane};
use crate::action::query::{Answer, Query};
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::machine::port::{Request, on_host};
use crate::value::shell::word;
use crate::value::{Fact, IfName, LinkIdentity, LinkRef, Netns};

/// The request that deletes the link with this index. `name` is for the error text.
pub(super) fn deletion(name: &IfName, index: u32) -> Retraction {
    Retraction::Send(vec![vec![Request::Delete(index)]], failed_delete(name))
}

/// The equivalent shell command.
pub(super) fn deletion_command(name: &IfName) -> String {
    format!("ip link delete {}", word(name.as_str()))
}

/// The answer without the link. A veth pair disappears with either end.
pub(super) fn overlay_deleted(link: &LinkRef, query: &Query, answer: &mut Answer) {
    match (query, answer) {
        (Query::Link(asked), Answer::Link(fact)) if asked == link => *fact = Fact::Absent,
        (Query::HostEnd(name), Answer::HostEnd(fact))
            if link.netns == Netns::Container && *name == link.name =>
        {
            *fact = Fact::Absent;
        }
        _ => {}
    }
}

/// Deletes a link, if its index, kind and alias are still the recorded ones. For a link without an alias, the MAC
/// address must be the recorded one too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLink {
    /// The recorded link.
    pub identity: LinkIdentity,
}

impl Inverse for DeleteLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(self.identity.link.netns, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.identity.link.name)
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        overlay_deleted(&self.identity.link, query, answer);
    }

    /// Whether a link of the same index and kind still exists, whatever its name.
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

/// Deletes the link with this name and alias. It is for steps that did not finish, and so did not record the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteMarkedLink {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The alias that shows that the link is ours.
    pub alias: String,
}

impl Inverse for DeleteMarkedLink {
    fn lane(&self) -> UndoLane<'_> {
        UndoLane::Requests(Netns::Host, self)
    }

    fn command(&self) -> String {
        deletion_command(&self.name)
    }

    fn overlay(&self, query: &Query, answer: &mut Answer) {
        overlay_deleted(&on_host(&self.name), query, answer);
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
