//! Leases: an address that is taken in a lease store of host-local.

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
use crate::value::{Owner, StoreRef};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// See [`Action::ReserveLease`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReserveLease {
    /// Where.
    pub store: StoreRef,
    /// The address to take.
    pub address: IpAddr,
    /// The range set whose `last_reserved_ip.N` is written.
    pub set: u32,
    /// For whom.
    pub owner: Owner,
}

impl Kind for ReserveLease {
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

/// Removes a lease if its file still names its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseLease {
    /// Which.
    pub lease: ReserveLease,
}

impl Inverse for ReleaseLease {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}

/// Puts `last_reserved_ip.N` back, if it still holds the address; no old value removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreLastReserved {
    /// The lease with which it was written.
    pub lease: ReserveLease,
    /// What stood there.
    pub old: Option<IpAddr>,
}

impl Inverse for RestoreLastReserved {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
