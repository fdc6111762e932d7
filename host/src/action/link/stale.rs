//! Links that a dead attempt of this attachment left.

use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::IfName;
use serde::{Deserialize, Serialize};

/// See [`Action::DeleteStaleLink`](super::Action::DeleteStaleLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteStaleLink {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// The alias that shows it to be ours; it is looked at again immediately before.
    pub alias: String,
}

impl Kind for DeleteStaleLink {
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
