//! Addresses of links: `ip address`.

use super::is_false;
use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::port::Address;
use crate::policy::Refusal;
use crate::value::LinkRef;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// See [`Action::AddAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddAddress {
    /// On which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
    /// `IFA_F_NODAD`: an IPv6 address is used without asking whether somebody else has it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nodad: bool,
}

/// See [`Action::DeleteAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteAddress {
    /// From which link.
    pub link: LinkRef,
    /// With host bits and prefix length.
    pub address: IpNetwork,
}

impl Kind for AddAddress {
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

impl Kind for DeleteAddress {
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

/// Removes an address from a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveAddress {
    /// From which.
    pub link: LinkRef,
    /// With its prefix length.
    pub address: IpNetwork,
}

impl Inverse for RemoveAddress {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}

/// Adds an address again that was deleted, if the link is there and has no such address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreAddress {
    /// On which.
    pub link: LinkRef,
    /// As it was.
    pub address: Address,
}

impl Inverse for RestoreAddress {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
