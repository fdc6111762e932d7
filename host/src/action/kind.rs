//! The trait that the module of each kind of action implements.

use super::check::Check;
use super::completion::Complete;
use super::context::ReadContext;
use super::profile::{Found, LinkName, Profile};
use super::query::{Answer, Query};
use super::record::{Before, Difference, Done, Effect, Old, Replaces, Undoing};
use super::{Action, Undo};
use crate::machine::MachineError;
use crate::policy::Refusal;
use crate::value::{LinkRef, Mac};

/// A kind of action. The data type of each kind implements it, and its file holds everything about the kind.
pub trait Kind {
    /// How the action is done, on which link, and how long its effect lasts.
    fn profile(&self) -> Profile<'_>;

    /// The equivalent shell commands, to be typed in the namespace of the action.
    fn commands(&self) -> Vec<String>;

    /// The action's name in an error: by default, the first of its commands, which creates the thing itself.
    fn name(&self) -> String {
        self.commands().into_iter().next().unwrap_or_default()
    }

    /// The action with the values that follow from the complete plan. None if no value follows, or if all are set
    /// already.
    fn completed(&self, _plan: &Complete<'_>) -> Option<Action> {
        None
    }

    /// Why the default policy does not grant the action. Empty if the policy grants it.
    fn refuse(&self, check: &Check<'_>) -> Vec<Refusal>;

    /// Changes the answer to a query, so that it describes the machine after this action. Pure.
    fn overlay(&self, _query: &Query, _answer: &mut Answer) {}

    /// The state before the action. It reads no more than undo and dry run need.
    fn observe(&self, cx: &mut ReadContext<'_>) -> Before;

    /// The same state, as a reader of a plan sees it.
    fn found(&self, before: &Before) -> Found {
        before.into()
    }

    /// The undos of the action, in order. Pure: they follow from the record.
    fn undos(&self, undoing: &Undoing<'_>) -> Vec<Undo>;

    /// The value that the action replaces, if it replaces exactly one.
    fn replaces(&self) -> Option<Replaces> {
        None
    }

    /// The value of [`Kind::replaces`] before the action.
    fn before(&self, done: Done<'_>) -> Option<Old> {
        match done {
            Done::Effect(Effect::AlreadyThere) | Done::Unknown(Before::Present) => {
                self.replaces().map(|replaces| replaces.with)
            }
            done => done.old().cloned(),
        }
    }

    /// The effect of the action, as if `old` had been the value before it. An earlier action that set the value is undone,
    /// and this action's undo has to restore what was before both.
    fn inherit(&self, _done: Done<'_>, old: Old) -> Effect {
        match self.replaces() {
            Some(replaces) if replaces.with.is_same(&old) => Effect::AlreadyThere,
            _ => Effect::Replaced(old),
        }
    }

    /// The differences between the machine and the state that the action made.
    fn verify(&self, cx: &mut ReadContext<'_>) -> Result<Vec<Difference>, MachineError>;

    /// Whether the result of the action, which had this effect, is meant to last.
    fn lasts(&self, _effect: &Effect) -> bool {
        true
    }

    /// Whether the later action `by` cancels the effect of this one.
    fn is_superseded(&self, _by: &Action) -> bool {
        false
    }

    /// Whether `other`, an action of another attachment, uses the shared object that this action made. `own` are the
    /// actions that were recorded with this one.
    fn is_used_by(&self, other: &Action, _own: &[&Action]) -> bool {
        let profile = self.profile();
        let link = profile.makes.first().copied().or(profile.on.as_ref().map(LinkName::from));
        link.is_some_and(|link| other.kind().profile().makes.contains(&link))
    }

    /// Whether `repair` does a part of this action again.
    fn covers(&self, _repair: &Action) -> bool {
        false
    }

    /// Whether the effect of this action was lost with the link that `repair` makes again. While that link is missing,
    /// no check can show the loss.
    fn is_lost_with(&self, _repair: &Action) -> bool {
        false
    }

    /// Whether this action waits for something that `repair` does again.
    fn waits_for(&self, _repair: &Action) -> bool {
        false
    }

    /// The action with the MAC addresses that `prevResult` reports for its links. A later plugin of the chain may have
    /// changed them.
    fn with_reported_macs(&self, _reported: &dyn Fn(&LinkRef) -> Option<Mac>) -> Option<Action> {
        None
    }
}

impl Action {
    /// Whether `repair` does this action again, in whole or in part.
    pub fn covers(&self, repair: &Action) -> bool {
        self == repair || self.kind().covers(repair)
    }
}

/// The actions of one kind in a plan: `of_kind::<CreateVeth>(plan)`.
pub fn of_kind<'a, T>(plan: &[&'a Action]) -> impl Iterator<Item = &'a T>
where
    &'a T: TryFrom<&'a Action>,
    T: 'a,
{
    plan.iter().filter_map(|action| <&T>::try_from(action).ok())
}
