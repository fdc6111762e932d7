//! Repair: performs actions again that a journal records as done.
//!
//! A repair writes nothing to the journal. The journal already contains the repaired actions, with the state before the
//! ADD. A repair makes this record true again. DEL, rollback and GC therefore work as usual, even after a repair that
//! was killed halfway.

use super::Section;
use super::execute::{leading_leases, lock_for, phase, together};
use super::lanes;
use super::state_dir::StateDir;
use crate::action::Action;
use crate::action::context::{Notes, WriteContext};
use crate::action::record::Outcome;
use crate::machine::MachineError;
use crate::machine::port::Machine;
use crate::plan::{CheckedPlan, Entry};
use crate::timings;

/// Performs as much of a plan as it can. Returns each action that failed, as a command, with the error.
///
/// `journal` contains all recorded actions of the attachment. `notes` come from the CHECK that the plan follows from:
/// they say which bridges are foreign.
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
    // The order of locks is the same as in an ADD: first the leases; then, after they are unlocked, the shared objects.
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
            timings::ended(phase(step));
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
