//! Kernel parameters: `sysctl`.

use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::OldSysctl;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{Netns, SysctlKey};
use serde::{Deserialize, Serialize};

/// See [`Action::SetSysctl`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSysctl {
    /// Whose parameter.
    pub netns: Netns,
    /// Below `/proc/sys`, with slashes.
    pub key: SysctlKey,
    /// The value, without a line end.
    pub value: String,
    /// Go on when the parameter does not exist or refuses the value.
    #[serde(default)]
    pub optional: bool,
}

impl Kind for SetSysctl {
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

/// Writes a parameter's old value, if it still has the one that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSysctl {
    /// Whose.
    pub netns: Netns,
    /// Which.
    pub key: SysctlKey,
    /// What was written.
    pub written: String,
    /// What stood there.
    pub old: OldSysctl,
}

impl Inverse for RestoreSysctl {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
