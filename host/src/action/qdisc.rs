//! How fast packets pass a link: `tc qdisc`.

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

/// See [`Action::Shape`](super::Action::Shape): what passes the host's end of a veth pair, in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The link, in the host's namespace.
    pub link: IfName,
    /// Bytes a second.
    pub rate: u64,
    /// Bytes at once.
    pub burst: u32,
    /// Through which what comes from the link goes first; none: it is about what goes to the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Ifb>,
}

impl Shape {
    /// What the token bucket may hold back, in bytes: 25 ms at that rate, and the burst (reference, `ifb_creator.go`).
    pub fn limit(&self) -> u32 {
        let held = u128::from(self.rate) * 25 / 1000 + u128::from(self.burst);
        u32::try_from(held).unwrap_or(u32::MAX)
    }

    /// How long the burst takes at that rate, in the kernel's ticks of 64 ns (`PSCHED_SHIFT`), by way of whole microseconds as in
    /// the reference.
    pub fn buffer(&self) -> u32 {
        let Some(microseconds) = (u128::from(self.burst) * 1_000_000).checked_div(self.rate.into()) else {
            return u32::MAX;
        };
        let microseconds = u32::try_from(microseconds).unwrap_or(u32::MAX);
        u32::try_from(u64::from(microseconds) * 1000 / 64).unwrap_or(u32::MAX)
    }
}

/// An intermediate functional block: a link that is there for its queue alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ifb {
    /// As the reference names it.
    pub name: IfName,
    /// Shows it to be ours.
    pub alias: String,
}

impl Kind for Shape {
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

/// Removes the limit of a link, as far as it is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveShape {
    /// Which.
    pub shape: Shape,
    /// The link's queue length before, packets: the kernel gives a link without one another length with its first token bucket.
    pub queue_length: Option<u32>,
}

impl Inverse for RemoveShape {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}

/// Deletes an ifb of the reference's: of that name, and without an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteIfb {
    /// In the host's namespace.
    pub name: IfName,
}

impl Inverse for DeleteIfb {
    fn lane(&self) -> UndoLane<'_> {
        todo!()
    }

    fn command(&self) -> String {
        todo!()
    }
}
