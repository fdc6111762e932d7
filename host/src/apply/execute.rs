//! Applies a plan. Each step is journaled before and after it is done. If a step fails, all steps so far are undone.

use super::journal::{Section, Writer};
use super::lanes;
use super::observe::observe;
use super::state_dir::StateDir;
use super::undo::{Kept, Reverted, Stuck, rollback};
use crate::action::Action;
use crate::action::context::{Notes, WriteContext};
use crate::action::profile::{Lane, Place};
use crate::action::record::{Before, Effect, Outcome};
use crate::machine::MachineError;
use crate::machine::port::Machine;
use crate::plan::{CheckedPlan, Entry};
use crate::value::Netns;
use crate::{signal, timings};
use nix::fcntl::Flock;
use std::fs::File;

/// A plan failed, with the result of the rollback.
#[derive(Debug, thiserror::Error)]
#[error("step `{action}` failed")]
pub struct ApplyError {
    /// The action that failed, as a command.
    pub action: String,
    /// The cause.
    #[source]
    pub source: MachineError,
    /// What could not be undone.
    pub stuck: Vec<Stuck>,
    /// What stays on purpose. If this is empty too, the machine is in its earlier state.
    pub kept: Vec<Kept>,
}

/// Applies a whole plan, or nothing of it. `writer` journals each step before it is done.
///
/// After a failure, everything is undone. The error contains what is left, and the section of the journal stays only if
/// something is left.
pub fn execute(
    plan: &CheckedPlan,
    writer: &mut Writer,
    state: &StateDir,
    machine: &mut dyn Machine,
) -> Result<(), ApplyError> {
    let mut notes = Notes::after_waits(writer.waited);
    let (leases, rest) = plan.entries().split_at(leading_leases(plan.entries()));
    let result = steps(plan, leases, None, writer, machine, &mut notes);
    // The lease store is unlocked before other locks are taken. The order of locks is: attachment, shared objects,
    // lease store.
    machine.stores().unlock_all();
    let result = result.and_then(|()| {
        let shared = rest.iter().any(Entry::is_shared);
        steps(plan, rest, shared.then_some(state), writer, machine, &mut notes)
    });
    machine.stores().unlock_all();
    writer.waited = notes.waited;
    let Err((action, source)) = result else { return Ok(()) };
    let Reverted { stuck, kept } = rollback(writer.section(), state, machine);
    Err(ApplyError { action, source, stuck, kept })
}

/// The number of entries at the beginning of a plan that reserve leases.
pub(super) fn leading_leases(entries: &[Entry]) -> usize {
    entries.iter().take_while(|entry| lane(entry).place() == Place::Store).count()
}

/// Whether two consecutive entries belong to the same step. A wait is always a step of its own.
pub(super) fn together(a: &Entry, b: &Entry) -> bool {
    let (a, b) = (lane(a), lane(b));
    a.place() == b.place() && a.is_wait() == b.is_wait()
}

fn lane(entry: &Entry) -> Lane<'_> {
    entry.action.kind().profile().lane
}

/// Takes the lock of shared objects for a step. A step needs no lock if it only waits, or only changes the container's
/// namespace, where no other attachment is.
pub(super) fn lock_for(
    step: &[Entry],
    shared: Option<&StateDir>,
) -> Result<Option<Flock<File>>, MachineError> {
    let private = |entry: &Entry| {
        let lane = lane(entry);
        lane.is_wait() || lane.place() == Place::Netns(Netns::Container)
    };
    shared.filter(|_| !step.iter().all(private)).map(StateDir::lock_shared).transpose()
}

/// Performs the steps in order, up to the first failure.
///
/// If `shared` is given, each step takes the lock of shared objects if it needs it.
fn steps(
    plan: &CheckedPlan,
    entries: &[Entry],
    shared: Option<&StateDir>,
    writer: &mut Writer,
    machine: &mut dyn Machine,
    notes: &mut Notes,
) -> Result<(), (String, MachineError)> {
    for step in entries.chunk_by(together) {
        let _lock = lock_for(step, shared).map_err(|e| ("lock".to_owned(), e))?;
        let actions: Vec<&Action> = step.iter().map(|entry| &entry.action).collect();
        let first = || actions.first().map(|action| action.kind().name()).unwrap_or_default();
        signal::check().map_err(|ended| (first(), ended.into()))?;
        let before = observe(&actions, machine.as_look(), notes);
        timings::ended("observe");
        let before = before.into_iter().chain(std::iter::repeat(Before::Unknown));
        let intent: Vec<_> = step.iter().cloned().zip(before).collect();
        writer.intent(&intent).map_err(|e| (first(), e))?;
        timings::ended("journal");
        let outcomes = lanes::perform(&actions, &mut WriteContext::new(plan, machine, notes));
        timings::ended(phase(step));
        let (effects, failure) = conclude(&actions, outcomes);
        // If the effects cannot be written, the journal still has the intent without effects. Undo then compares each
        // action with the machine.
        let noted = writer.effect(&effects).map_err(|e| (first(), e));
        timings::ended("journal");
        failure.map_or(Ok(()), Err)?;
        noted?;
    }
    Ok(())
}

/// The effects of a step, and its first failure.
fn conclude(
    actions: &[&Action],
    outcomes: Vec<Outcome>,
) -> (Vec<Option<Effect>>, Option<(String, MachineError)>) {
    let mut failure = None;
    let mut effect = |(action, outcome): (&&Action, Outcome)| match outcome {
        Outcome::Done(effect) => Some(effect),
        Outcome::NotTried => None,
        Outcome::Failed(error) => {
            failure.get_or_insert_with(|| (blamed(actions, action, &error), error));
            None
        }
        Outcome::Halfway(error) => {
            failure.get_or_insert_with(|| (blamed(actions, action, &error), error));
            Some(Effect::Unclear)
        }
    };
    let effects = actions.iter().zip(outcomes).map(&mut effect).collect();
    (effects, failure)
}

/// The command that failed: the one that the error quotes, if a transaction has several. Otherwise that of the action.
fn blamed(actions: &[&Action], action: &Action, error: &MachineError) -> String {
    let text = error.to_string();
    let mut commands = actions.iter().flat_map(|action| action.kind().commands());
    let quoted = commands.find(|command| text.contains(&format!("`{command}`")));
    quoted.unwrap_or_else(|| action.kind().name())
}

/// The phase that the time of a step is reported under.
pub(super) fn phase(step: &[Entry]) -> &'static str {
    match step.first().map(lane) {
        Some(lane) if lane.is_wait() => "settle",
        Some(lane) => match lane.place() {
            Place::Store => "leases",
            Place::Netns(Netns::Host) => "host",
            Place::Netns(Netns::Container) => "container",
            Place::Rules => "rules",
            Place::Native => "delegate",
        },
        None => "apply",
    }
}

impl Section {
    /// Whether a rollback of this section may remove objects that others use. The lock of shared objects must then be
    /// held.
    pub fn has_shared(&self) -> bool {
        self.entries().any(Entry::is_shared)
    }
}
