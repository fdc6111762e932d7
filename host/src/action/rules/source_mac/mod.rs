//! Dropping what a container sends under another Ethernet address.

use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{IfName, Mac};
use serde::{Deserialize, Serialize};

/// See [`Action::CheckSourceMac`](super::Action::CheckSourceMac): two chains of the attachment in table `bridge nat`, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSourceMac {
    /// The host's end of the veth pair.
    pub port: IfName,
    /// The Ethernet address of the container's end.
    pub mac: Mac,
    /// `CONTAINER-INTERFACE`: chains and comment carry it, as in the reference.
    pub identity: String,
}

impl Kind for CheckSourceMac {
    fn profile(&self) -> Profile<'_> {
        todo!()
    }

    fn commands(&self) -> Vec<String> {
        todo!()
    }

    fn refuse(&self, _check: &Check<'_>) -> Vec<Refusal> {
        todo!()
    }

    fn observe(&self, _cx: &mut ReadContext<'_>) -> Before {
        todo!()
    }

    fn undos(&self, _undoing: &Undoing<'_>) -> Vec<Undo> {
        todo!()
    }

    fn verify(&self, _cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError> {
        todo!()
    }

    fn covers(&self, _repair: &Action) -> bool {
        todo!()
    }
}

/// Deletes the chains that check a source MAC, and the jump to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveSourceMac {
    /// Which.
    pub check: CheckSourceMac,
    /// The table goes too, when nothing is left in it.
    pub table: bool,
}

impl Inverse for RemoveSourceMac {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
