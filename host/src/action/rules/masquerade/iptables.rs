//! Masquerading with iptables: the chain of a container, its rules and the jump to it.

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
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// See [`Action::Masquerade`](super::Action::Masquerade): one chain of the attachment in `nat`, its two rules, and the jump to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The chain, as the reference names it.
    pub chain: String,
    /// The comment of each rule, as the reference writes it.
    pub comment: String,
}

impl Kind for Masquerade {
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

/// Deletes the rules of an address, and the chain when nothing is left in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMasquerade {
    /// Which.
    pub rules: Masquerade,
}

impl Inverse for RemoveMasquerade {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
