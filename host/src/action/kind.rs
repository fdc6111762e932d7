//! What every kind of action can do: the trait that a room implements.

use super::check::Check;
use super::completion::Complete;
use super::context::ReadContext;
use super::profile::{Found, LinkName, Profile};
use super::query::{Answer, Query};
use super::record::{Before, Difference, Effect, Undoing};
use super::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{LinkRef, Mac};

/// A kind of action. A room is the file that implements this for its data: all that is known of that kind is there.
pub trait Kind {
    /// How it is done, on which link, for how long.
    fn profile(&self) -> Profile<'_>;

    /// What one would type in the namespace where it is done.
    fn commands(&self) -> Vec<String>;

    /// What names it in an error: the command that makes the thing itself.
    fn name(&self) -> String {
        self.commands().into_iter().next().unwrap_or_default()
    }

    /// The same with what follows from the complete plan; none, where nothing of it does, or all of that is there already.
    fn completed(&self, _plan: &Complete<'_>) -> Option<Action> {
        None
    }

    /// Why the default policy does not grant it; empty when it does.
    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal>;

    /// Lays it over the answer to a question, which then says how the machine will be. Pure.
    fn overlay(&self, _query: &Query, _answer: &mut Answer) {}

    /// What it finds: as cheap as undo and dry run allow.
    fn observe(&self, cx: &mut ReadContext<'_>) -> Before;

    /// What is shown of that to a reader of a plan.
    fn found(&self, before: &Before) -> Found {
        before.into()
    }

    /// What undoes it, in order. Pure: it follows from the record.
    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo>;

    /// How the machine differs from what it made.
    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError>;

    /// Whether what it did with this effect is meant to last.
    fn lasts(&self, _effect: &Effect) -> bool {
        true
    }

    /// Whether a later action made what this one did void.
    fn is_superseded(&self, _by: &Action) -> bool {
        false
    }

    /// Whether another attachment's action is a use of the shared thing that this one made; `own` are the actions recorded with it.
    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        let profile = self.profile();
        let link = profile.makes.first().copied().or(profile.on.as_ref().map(LinkName::from));
        link.is_some_and(|link| other.kind().profile().makes.contains(&link))
    }

    /// Whether a repair does a part of this again.
    fn covers(&self, _repair: &Action) -> bool {
        false
    }

    /// Whether it was lost with the link that a repair makes again, and nothing shows that as long as the link is missing.
    fn is_lost_with(&self, _repair: &Action) -> bool {
        false
    }

    /// Whether it waits for something that a repair does again.
    fn waits_for(&self, _repair: &Action) -> bool {
        false
    }

    /// The same with the Ethernet addresses that `prevResult` reports of its links, which a later plugin of the chain may have changed.
    fn with_reported_macs(&self, _reported: &dyn Fn(&LinkRef) -> Option<Mac>) -> Option<Action> {
        None
    }
}

impl Action {
    /// Whether a repair does this again, in whole or in part.
    pub fn covers(&self, repair: &Action) -> bool {
        self == repair || self.kind().covers(repair)
    }
}
