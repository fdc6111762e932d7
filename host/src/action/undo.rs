//! The trait that the module of each kind of undo implements.

use super::context::ReadContext;
use super::profile::UndoLane;
use super::{Answer, Query, Undo};
use crate::machine::MachineError;
use crate::value::Netns;
use crate::value::shell::word;

/// An undo. It was derived from the record of an action, or found without a record.
pub trait Inverse {
    /// How the undo is done.
    fn lane(&self) -> UndoLane<'_>;

    /// The namespace for [`Inverse::command`].
    fn netns(&self) -> Netns {
        match self.lane() {
            UndoLane::Requests(netns, _) => netns,
            UndoLane::Rules(_) | UndoLane::Own(_) | UndoLane::Native(_) => Netns::Host,
        }
    }

    /// Changes the answer to a planner's question as if the undo were done. The default changes nothing: planners do not
    /// ask about the object.
    fn overlay(&self, _query: &Query, _answer: &mut Answer) {}

    /// The equivalent shell command, on one line.
    fn command(&self) -> String;

    /// Whether the object that the undo removes still exists. The default is no, for undos that only a journal leads
    /// to: nobody asks for these.
    fn is_left(&self, _cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        Ok(false)
    }
}

/// The shell command of an undo. For an object in the container, it runs in the namespace at the path `netns`.
pub fn command(undo: &Undo, netns: &str) -> String {
    let inverse = undo.inverse();
    match inverse.netns() {
        Netns::Host => inverse.command(),
        Netns::Container => format!("nsenter {} {}", word(&format!("--net={netns}")), inverse.command()),
    }
}
