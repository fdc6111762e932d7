//! The dull loop: note, do, note; and when a step fails, take back what was done.

use super::journal::{Section, Writer};
use super::state_dir::StateDir;
use super::undo::{Reason, undos};
use crate::action::Action;
use crate::machine::{Before, Effect, Kernel, MachineError, Outcome, Undo, Undone};
use crate::plan::Entry;
use crate::plan::render;
use crate::plan::render::Place;
use crate::policy::CheckedPlan;
use crate::value::Netns;
use crate::{signal, timings};
use nix::fcntl::Flock;
use std::fs::File;

/// Why a plan was not applied, and what became of what was done before.
#[derive(Debug, thiserror::Error)]
#[error("step `{action}` failed")]
pub struct ApplyError {
    /// The action that failed, as a command.
    pub action: String,
    /// Why.
    #[source]
    pub source: MachineError,
    /// What could not be taken back; empty when the machine is as before.
    pub stuck: Vec<Stuck>,
}

/// Something that could not be undone, or was not ours any more.
#[derive(Debug)]
pub struct Stuck {
    /// What was to be undone.
    pub undo: Undo,
    /// `CNI_NETNS`, for what is in the container; may be empty.
    pub netns: String,
    /// Why it was not.
    pub error: MachineError,
}

/// Applies a plan, all of it or nothing, noting each step in `writer` first.
///
/// After a failure, what is left is told in the error; the section stays for the next verb exactly if something is.
pub fn execute(
    plan: &CheckedPlan,
    writer: &mut Writer,
    state: &StateDir,
    kernel: &mut dyn Kernel,
) -> Result<(), ApplyError> {
    let (leases, rest) = plan.entries().split_at(leading_leases(plan.entries()));
    let result = steps(leases, None, writer, kernel);
    // Before any other lock: the order is attachment, shared, leases (design rule 13).
    kernel.unlock_leases();
    let result = result.and_then(|()| {
        let shared = rest.iter().any(Entry::is_shared);
        steps(rest, shared.then_some(state), writer, kernel)
    });
    kernel.unlock_leases();
    let Err((action, source)) = result else { return Ok(()) };
    let stuck = rollback(writer.section(), state, kernel);
    Err(ApplyError { action, source, stuck })
}

/// How many entries reserve leases before anything else is done.
pub(super) fn leading_leases(entries: &[Entry]) -> usize {
    entries.iter().take_while(|entry| render::place(&entry.action) == Place::Store).count()
}

/// Whether two entries that follow each other are one step: a wait is one of its own.
pub(super) fn together(a: &Entry, b: &Entry) -> bool {
    render::place(&a.action) == render::place(&b.action) && is_wait(a) == is_wait(b)
}

fn is_wait(entry: &Entry) -> bool {
    matches!(entry.action, Action::Settle(_))
}

/// The lock of shared objects for a step, but for one that nobody else could meet: in the container, and waits.
pub(super) fn lock_for(
    step: &[Entry],
    shared: Option<&StateDir>,
) -> Result<Option<Flock<File>>, MachineError> {
    let private =
        |entry: &Entry| is_wait(entry) || render::place(&entry.action) == Place::Netns(Netns::Container);
    shared.filter(|_| !step.iter().all(private)).map(StateDir::lock_shared).transpose()
}

/// Does the steps in order, up to the first that fails.
///
/// With `shared` each has the lock of shared objects where it needs it.
fn steps(
    entries: &[Entry],
    shared: Option<&StateDir>,
    writer: &mut Writer,
    kernel: &mut dyn Kernel,
) -> Result<(), (String, MachineError)> {
    for step in entries.chunk_by(together) {
        let _lock = lock_for(step, shared).map_err(|e| ("lock".to_owned(), e))?;
        let actions: Vec<_> = step.iter().map(|entry| entry.action.clone()).collect();
        let name = |entry: Option<&Entry>| {
            entry.and_then(|entry| render::commands(&entry.action).into_iter().next()).unwrap_or_default()
        };
        signal::check().map_err(|ended| (name(step.first()), ended.into()))?;
        let before = kernel.observe(&actions);
        timings::ended("observe");
        let before = before.into_iter().chain(std::iter::repeat(Before::Unknown));
        let intent: Vec<_> = step.iter().cloned().zip(before).collect();
        writer.intent(&intent).map_err(|e| (name(step.first()), e))?;
        timings::ended("journal");
        let mut failure = None;
        let mut effects: Vec<Option<Effect>> = Vec::new();
        let outcomes = kernel.execute(&actions);
        timings::ended(phase(step));
        for (index, outcome) in outcomes.into_iter().enumerate() {
            effects.push(match outcome {
                Outcome::Done(effect) => Some(effect),
                Outcome::NotTried => None,
                Outcome::Failed(error) => {
                    failure.get_or_insert((name(step.get(index)), error));
                    None
                }
                Outcome::Halfway(error) => {
                    failure.get_or_insert((name(step.get(index)), error));
                    Some(Effect::Unclear)
                }
            });
        }
        // Lost effects would be lost undos: the intent stays, and undo looks at each action.
        let noted = writer.effect(&effects).map_err(|e| (name(step.first()), e));
        timings::ended("journal");
        if let Some(failure) = failure {
            return Err(failure);
        }
        noted?;
    }
    Ok(())
}

/// What the time of a step counts for.
fn phase(step: &[Entry]) -> &'static str {
    match step.first() {
        Some(first) if is_wait(first) => "settle",
        Some(first) => match render::place(&first.action) {
            Place::Store => "leases",
            Place::Netns(Netns::Host) => "host",
            Place::Netns(Netns::Container) => "container",
            Place::Rules => "rules",
            Place::Native => "delegate",
        },
        None => "apply",
    }
}

/// Takes back a section whose ADD did not end well; gives what is left.
pub fn rollback(section: &Section, state: &StateDir, kernel: &mut dyn Kernel) -> Vec<Stuck> {
    revert(section, Reason::Rollback, state, kernel)
}

/// Takes back a section, as far as it is ours; gives what is left.
pub fn revert(section: &Section, reason: Reason, state: &StateDir, kernel: &mut dyn Kernel) -> Vec<Stuck> {
    let shared = reason == Reason::Rollback && section.has_shared();
    // Without the lock what is shared is left alone: the worst is a bridge without ports.
    let lock = if shared { state.lock_shared().ok() } else { None };
    let others = lock.as_ref().and_then(|_| state.others(&section.header.attachment));
    let reason = if shared && others.is_none() { Reason::Delete } else { reason };
    let others = others.unwrap_or_default();
    undo_all(&undos(section, reason, &others), &section.header.netns, kernel)
}

/// Undoes in order, going on after a failure; gives what is left. `netns` is `CNI_NETNS`, if there is one.
pub fn undo_all(undos: &[Undo], netns: &str, kernel: &mut dyn Kernel) -> Vec<Stuck> {
    let mut stuck = Vec::new();
    timings::ended("state");
    let all_undone = kernel.undo(undos);
    timings::ended("undo");
    for (undo, undone) in undos.iter().zip(all_undone) {
        match undone {
            Undone::Done | Undone::Gone => {}
            Undone::Left(reason) => tracing::info!(?undo, reason, "left alone"),
            Undone::Failed(error) => {
                stuck.push(Stuck { undo: undo.clone(), netns: netns.to_owned(), error });
            }
        }
    }
    stuck
}
