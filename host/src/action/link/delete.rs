//! Deleting links that were made: each is looked at first.

use crate::action::context::ReadContext;
use crate::action::profile::UndoLane;
use crate::action::undo::Inverse;
use crate::machine::MachineError;
use crate::value::{IfName, LinkIdentity};

/// Deletes a link if index, kind and alias are still those (the MAC too, where it has no alias).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteLink {
    /// Which.
    pub identity: LinkIdentity,
}

impl Inverse for DeleteLink {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
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
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
