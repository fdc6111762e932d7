//! Saving the attributes of a link in the file of the reference's tuning.

use super::attribute::LinkAttribute;
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
use crate::value::LinkRef;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// See [`Action::SaveLink`](super::Action::SaveLink).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveLink {
    /// Which link.
    pub link: LinkRef,
    /// The file: JSON, as the reference's tuning writes it.
    pub path: PathBuf,
    /// What is saved, by what it is going to be.
    pub attributes: Vec<LinkAttribute>,
}

impl Kind for SaveLink {
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

/// Removes the file in which a link was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetLink {
    /// Which file.
    pub path: PathBuf,
}

impl Inverse for ForgetLink {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
