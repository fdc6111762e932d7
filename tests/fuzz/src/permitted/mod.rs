//! Honest plans with changes, on a machine where others have something: policy lets nothing through that changes it.

pub mod mutation;
mod neighbours;
mod others;
mod scene;
mod words;

pub use scene::names;

use crate::machine::{self, Beside};
use std::cell::RefCell;
use wasm_cni::cni::result;
use wasm_cni::plan::{self, DraftPlan};

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It names no plan, or what its changes make is none.
    None,
    /// Policy refused the plan.
    Refused,
    /// Policy let it through, and its result cannot be told.
    Unreported,
    /// Policy let it through, and the machine refused it.
    Failed,
    /// It was applied and taken back.
    Applied,
}

/// Changes an honest plan as the input says (`mutation.rs`). What policy then allows is applied and taken back.
///
/// # Panics
/// If what policy allows changes something of others; if anything does not hold of [`machine::apply_and_undo`].
pub fn run(data: &[u8]) {
    outcome(data);
}

/// The same, and what became of it.
///
/// # Panics
/// As [`run`].
pub fn outcome(data: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let name = lines.next().and_then(|line| line.strip_prefix("plan "));
    let Some(scene) = name.and_then(scene::find) else { return Outcome::None };
    let (mut plan, mut fails) = (scene.plan.clone(), None);
    for line in lines {
        match line.strip_prefix("fail ") {
            Some(number) => fails = number.parse().ok(),
            None => mutation::change(&mut plan, line),
        }
    }
    let Ok(draft) = serde_json::from_value::<DraftPlan>(plan) else { return Outcome::None };
    let Ok(plan) = plan::check(draft, &[], &scene.grants, &scene.demands()) else { return Outcome::Refused };
    if result::check(plan.report(), &scene.config.cni_version).is_err() {
        return Outcome::Unreported;
    }
    let applied = RefCell::new(false);
    let beside = Beside {
        journals: &|state| scene.copy_journals(state),
        look: &|machine| {
            // What cannot be applied, as the lease of an address that is held, has no result.
            scene.others.check_report(plan.report());
            *applied.borrow_mut() = true;
            scene.others.check(&machine::seen(machine));
        },
        stays: &|line| scene.others.may_stay(line),
    };
    machine::apply_and_undo(&plan, &scene.request, &scene.before, fails, &beside);
    if applied.into_inner() { Outcome::Applied } else { Outcome::Failed }
}
