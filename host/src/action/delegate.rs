//! A native plugin, executed between two stages of a plan.

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
use crate::value::{Owner, PluginName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// See [`Action::Delegate`]: all that it takes to execute the plugin again for DEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegate {
    /// Its type.
    pub plugin: PluginName,
    /// The executable.
    pub program: PathBuf,
    /// `CNI_CONTAINERID` and `CNI_IFNAME`.
    pub owner: Owner,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// Standard input.
    pub config: String,
}

impl Kind for Delegate {
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

/// Executes a native plugin for DEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndDelegate {
    /// Which.
    pub delegate: Delegate,
}

impl Inverse for EndDelegate {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
