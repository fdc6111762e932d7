//! Masquerading with nftables: one rule for each address.

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

/// See [`Action::MasqueradeNft`](super::Action::MasqueradeNft): one rule of the attachment in table `inet cni_plugins_masquerade`, which is made with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasqueradeNft {
    /// The container's address; its network is what keeps its source.
    pub address: IpNetwork,
    /// The comment of the rule, as the reference writes it. It begins with hashes that tell whose it is.
    pub comment: String,
}

impl Kind for MasqueradeNft {
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

/// Deletes the rule of an address from nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveMasqueradeNft {
    /// Which.
    pub rule: MasqueradeNft,
    /// The table goes too, when nothing is left in it.
    pub table: bool,
}

impl Inverse for RemoveMasqueradeNft {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
