//! Mending: doing again what a journal says was done.
//!
//! Nothing is noted. What is mended is in the journal already, with the state that was there before the ADD: mending makes true
//! again what it says, so that a DEL, a rollback or a GC goes by it as ever, also after a repair that was killed half-way.

use super::execute::{leading_leases, lock_for, together};
use super::state_dir::StateDir;
use crate::machine::{Kernel, MachineError, Outcome};
use crate::plan::{Entry, render};
use crate::policy::CheckedPlan;

/// Does what it can of a plan; gives each action that failed, as a command, and why.
pub fn mend(plan: &CheckedPlan, state: &StateDir, kernel: &mut dyn Kernel) -> Vec<(String, MachineError)> {
    let (leases, rest) = plan.entries().split_at(leading_leases(plan.entries()));
    let shared = rest.iter().any(Entry::is_shared);
    let mut failures = Vec::new();
    // The order of locks is that of an ADD: leases, and without them what is shared (design rule 13).
    for (entries, shared) in [(leases, None), (rest, shared.then_some(state))] {
        for step in entries.chunk_by(together) {
            failures.extend(do_step(step, shared, kernel));
        }
        kernel.unlock_leases();
    }
    failures
}

fn do_step(
    step: &[Entry],
    shared: Option<&StateDir>,
    kernel: &mut dyn Kernel,
) -> Vec<(String, MachineError)> {
    let _lock = match lock_for(step, shared) {
        Ok(lock) => lock,
        Err(error) => return vec![("lock".to_owned(), error)],
    };
    let actions: Vec<_> = step.iter().map(|entry| entry.action.clone()).collect();
    let outcomes = kernel.execute(&actions).into_iter().zip(&actions);
    let failed = outcomes.filter_map(|(outcome, action)| match outcome {
        Outcome::Failed(error) | Outcome::Halfway(error) => {
            Some((render::commands(action).into_iter().next().unwrap_or_default(), error))
        }
        Outcome::Done(_) | Outcome::NotTried => None,
    });
    failed.collect()
}
