//! The trait of what undoes: a room implements it for its data.

use super::Undo;
use super::context::ReadContext;
use super::profile::UndoLane;
use crate::machine::MachineError;
use crate::value::Netns;
use crate::value::shell::word;

/// An undo, derived from the record of an action, or found without one.
pub trait Inverse {
    /// How it is done.
    fn lane(&self) -> UndoLane<'_>;

    /// Where an operator would type [`Inverse::command`].
    fn netns(&self) -> Netns {
        match self.lane() {
            UndoLane::Requests(netns, _) => netns,
            UndoLane::Rules(_) | UndoLane::Own(_) | UndoLane::Native(_) => Netns::Host,
        }
    }

    /// What an operator would type instead: one line for a shell.
    fn command(&self) -> String;

    /// Whether what it removes is there still. Of what only a journal knows, nobody asks.
    fn is_left(&self, _cx: &mut ReadContext<'_>) -> Result<bool, MachineError> {
        Ok(false)
    }
}

/// What an operator types for an undo; for what is in the container, in the namespace at the path `netns`.
pub fn command(undo: &Undo, netns: &str) -> String {
    let inverse = undo.inverse();
    match inverse.netns() {
        Netns::Host => inverse.command(),
        Netns::Container => format!("nsenter {} {}", word(&format!("--net={netns}")), inverse.command()),
    }
}
