//! The dull loop: note, do, note; and when a step fails, take back what was done.

use super::journal::{Section, StateDir, Writer};
use super::undo::{Reason, undos};
use crate::kernel::{Before, Effect, Kernel, KernelError, Outcome, Undo, Undone};
use crate::plan::render::{self, Place};
use crate::plan::{Action, Entry, Lifetime, Netns};
use crate::policy::CheckedPlan;

/// Why a plan was not applied, and what became of what was done before.
#[derive(Debug, thiserror::Error)]
#[error("step `{action}` failed")]
pub struct ApplyError {
    /// The action that failed, as a command.
    pub action: String,
    /// Why.
    #[source]
    pub source: KernelError,
    /// What could not be taken back; empty when the machine is as before.
    pub stuck: Vec<Stuck>,
}

/// Something that could not be undone, or was not ours any more.
#[derive(Debug)]
pub struct Stuck {
    /// What was to be undone.
    pub undo: Undo,
    /// Why it was not.
    pub reason: String,
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
        let shared = rest.iter().any(|entry| entry.lifetime != Lifetime::Attachment);
        steps(rest, shared.then_some(state), writer, kernel)
    });
    kernel.unlock_leases();
    let Err((action, source)) = result else { return Ok(()) };
    let stuck = match writer.section() {
        Ok(Some(section)) => rollback(&section, state, kernel),
        Ok(None) | Err(_) => Vec::new(),
    };
    Err(ApplyError { action, source, stuck })
}

/// How many entries reserve leases before anything else is done.
fn leading_leases(entries: &[Entry]) -> usize {
    entries.iter().take_while(|entry| render::place(&entry.action) == Place::Store).count()
}

/// Whether two entries that follow each other are one step: a wait is one of its own.
fn together(a: &Entry, b: &Entry) -> bool {
    render::place(&a.action) == render::place(&b.action) && is_wait(a) == is_wait(b)
}

fn is_wait(entry: &Entry) -> bool {
    matches!(entry.action, Action::Settle(_))
}

/// Does the steps in order, up to the first that fails.
///
/// With `shared` each has the lock of shared objects, but for those that nobody else could meet: in the container, and waits.
fn steps(
    entries: &[Entry],
    shared: Option<&StateDir>,
    writer: &mut Writer,
    kernel: &mut dyn Kernel,
) -> Result<(), (String, KernelError)> {
    for step in entries.chunk_by(together) {
        let private =
            |entry: &Entry| is_wait(entry) || render::place(&entry.action) == Place::Netns(Netns::Container);
        let _lock = match shared.filter(|_| !step.iter().all(private)) {
            Some(state) => Some(state.lock_shared().map_err(|e| ("lock".to_owned(), e))?),
            None => None,
        };
        let actions: Vec<_> = step.iter().map(|entry| entry.action.clone()).collect();
        let name = |entry: Option<&Entry>| {
            entry.and_then(|entry| render::commands(&entry.action).into_iter().next()).unwrap_or_default()
        };
        let before = kernel.observe(&actions);
        let before = before.into_iter().chain(std::iter::repeat(Before::Unknown));
        let intent: Vec<_> = step.iter().cloned().zip(before).collect();
        writer.intent(&intent).map_err(|e| (name(step.first()), e))?;
        let mut failure = None;
        let mut effects: Vec<Option<Effect>> = Vec::new();
        for (index, outcome) in kernel.execute(&actions).into_iter().enumerate() {
            effects.push(match outcome {
                Outcome::Done(effect) => Some(effect),
                Outcome::NotTried => None,
                Outcome::Failed(error) => {
                    failure.get_or_insert((name(step.get(index)), error));
                    None
                }
            });
        }
        // Lost effects would be lost undos: the intent stays, and undo looks at each action.
        let noted = writer.effect(&effects).map_err(|e| (name(step.first()), e));
        if let Some(failure) = failure {
            return Err(failure);
        }
        noted?;
    }
    Ok(())
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
    let others = if shared { state.sections(Some(&section.header.attachment)) } else { Vec::new() };
    let reason = if shared && lock.is_none() { Reason::Delete } else { reason };
    undo_all(&undos(section, reason, &others), kernel)
}

/// Undoes in order, going on after a failure; gives what is left.
pub fn undo_all(undos: &[Undo], kernel: &mut dyn Kernel) -> Vec<Stuck> {
    let mut stuck = Vec::new();
    for (undo, undone) in undos.iter().zip(kernel.undo(undos)) {
        match undone {
            Undone::Done | Undone::Gone => {}
            Undone::Left(reason) => tracing::info!(?undo, reason, "left alone"),
            Undone::Failed(error) => {
                stuck.push(Stuck { undo: undo.clone(), reason: crate::error::chain(&error) });
            }
        }
    }
    stuck
}
