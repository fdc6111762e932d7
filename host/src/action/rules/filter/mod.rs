//! What the host passes on.

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
use crate::value::IfName;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// See [`Action::Filter`](super::Action::Filter): what the reference's firewall makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterRule {
    /// Packets of an address of the container pass; in table `filter` of iptables.
    AllowForward {
        /// Whose.
        address: IpAddr,
        /// A chain of the administrator's, which is asked first.
        admin_chain: String,
    },
    /// Packets from one bridge to another do not pass; in table `filter` of iptables, for all containers of the bridge.
    Isolate {
        /// Of which family.
        is_ipv4: bool,
        /// The bridge.
        bridge: IfName,
        /// Nor do those between its own ports, as far as they pass the host.
        within: bool,
    },
    /// firewalld takes an address for one of a zone.
    TrustSource {
        /// Which.
        address: IpAddr,
        /// `trusted`.
        zone: String,
    },
}

impl FilterRule {
    /// Whether the rule is one of iptables, and of which family: IPv4 or not.
    pub fn iptables(&self) -> Option<bool> {
        match self {
            FilterRule::AllowForward { address, .. } => Some(address.is_ipv4()),
            FilterRule::Isolate { is_ipv4, .. } => Some(*is_ipv4),
            FilterRule::TrustSource { .. } => None,
        }
    }
}

impl Kind for FilterRule {
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

/// Deletes what the host passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveFilter {
    /// Which.
    pub rule: FilterRule,
    /// The shared chains, and what isolates a bridge, that go too when nobody uses them.
    pub unmake: Vec<String>,
}

impl Inverse for RemoveFilter {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
