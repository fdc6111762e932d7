//! Repairing: doing again what a journal records as done.
//!
//! Nothing is noted. What is repaired is in the journal already, with the state that was there before the ADD: a repair makes that record true again, so
//! that a DEL, a rollback or a GC goes by it as ever, also after a repair that was killed half-way.

use super::Section;
use super::execute::{leading_leases, lock_for, together};
use super::lanes;
use super::state_dir::StateDir;
use crate::action::Action;
use crate::action::context::{Notes, WriteContext};
use crate::action::record::Outcome;
use crate::machine::MachineError;
use crate::machine::port::Machine;
use crate::plan::{CheckedPlan, Entry};

/// Does what it can of a plan; gives each action that failed, as a command, and why.
///
/// `journal` is all that is recorded of the attachment. `notes` are those of the look from which the plan follows: which bridges are somebody else's.
pub fn repair(
    plan: &CheckedPlan,
    journal: &[Section],
    state: &StateDir,
    machine: &mut dyn Machine,
    notes: &mut Notes,
) -> Vec<(String, MachineError)> {
    let (leases, rest) = plan.entries().split_at(leading_leases(plan.entries()));
    let shared = rest.iter().any(Entry::is_shared);
    let mut failures = Vec::new();
    let recorded = journal.iter().flat_map(Section::entries);
    notes.recorded = recorded.map(|entry| entry.action.clone()).collect();
    // The order of locks is that of an ADD: leases, and without them what is shared.
    for (entries, shared) in [(leases, None), (rest, shared.then_some(state))] {
        for step in entries.chunk_by(together) {
            let _lock = match lock_for(step, shared) {
                Ok(lock) => lock,
                Err(error) => {
                    failures.push(("lock".to_owned(), error));
                    continue;
                }
            };
            let actions: Vec<&Action> = step.iter().map(|entry| &entry.action).collect();
            let outcomes = lanes::perform(&actions, &mut WriteContext::new(plan, machine, notes));
            let failed = |(action, outcome): (&&Action, Outcome)| match outcome {
                Outcome::Failed(error) | Outcome::Halfway(error) => Some((action.kind().name(), error)),
                Outcome::Done(_) | Outcome::NotTried => None,
            };
            failures.extend(actions.iter().zip(outcomes).filter_map(failed));
        }
        machine.stores().unlock_all();
    }
    failures
}
