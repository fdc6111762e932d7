//! Bridges.

use crate::action::check::Check;
use crate::action::context::ReadContext;
use crate::action::is_false;
use crate::action::kind::Kind;
use crate::action::profile::Profile;
use crate::action::profile::UndoLane;
use crate::action::record::{Before, Difference, Undoing};
use crate::action::undo::Inverse;
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{IfName, Mac};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// See [`Action::EnsureBridge`](super::Action::EnsureBridge). The attributes count only when it is made; then it also ignores router advertisements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureBridge {
    /// The name, in the host's namespace.
    pub name: IfName,
    /// Bytes; none: the kernel's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The Ethernet address.
    pub mac: Mac,
    /// Whether ports exchange frames of common VLANs alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vlan_filtering: bool,
}

impl Kind for EnsureBridge {
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

/// Deletes a bridge of ours that has no port and carries no address but those given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteEmptyBridge {
    /// In the host's namespace.
    pub name: IfName,
    /// The Ethernet address that we made it with.
    pub mac: Mac,
    /// The addresses that we gave it.
    pub addresses: Vec<IpNetwork>,
}

impl Inverse for DeleteEmptyBridge {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
