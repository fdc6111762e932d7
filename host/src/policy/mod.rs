//! What a plugin may do: every action of a draft is checked before the first is done.
//!
//! ```text
//! request, configuration ──▶ Grants (the default) ──┐
//! policy.toml ──▶ Policy ──▶ Rules of a plugin ─────┴─▶ check(draft) ──▶ CheckedPlan, or every Violation
//! ```

mod action;
mod again;
pub mod capability;
mod error;
pub mod facts;
mod file;
pub mod grant;
mod pattern;
mod rules;
mod scope;
pub mod violation;
mod whole;

pub use again::check_again;
pub use capability::Capability;
pub use error::PolicyError;
pub use facts::GrantedFacts;
pub use file::{AuditLog, Ceilings, DEFAULT_PATH, Mode, Policy};
pub use grant::{Grants, TypeGrants};
pub use rules::{Lowered, Rules};
pub use scope::{Key, Thing};
pub use violation::{Refusal, Told, Violation};

use crate::plan::{DraftPlan, Entry, lifetime, render};
use crate::value::Report;
use whole::Whole;

/// A plan that policy allows. It is made by [`check`] and [`check_again`] alone, and it alone can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan {
    draft: DraftPlan,
    tolerated: Vec<Violation>,
}

impl CheckedPlan {
    /// The actions, in the order in which they are applied.
    pub fn entries(&self) -> &[Entry] {
        &self.draft.entries
    }

    /// What the runtime is going to be told.
    pub fn report(&self) -> &Report {
        &self.draft.report
    }

    /// What policy would refuse, were it not in audit mode.
    pub fn tolerated(&self) -> &[Violation] {
        &self.tolerated
    }
}

/// Allows the whole plan, or tells every violation; `applied` are the entries of its earlier stages.
///
/// In audit mode what an administrator could have allowed is allowed, and noted. What nobody can allow is refused there too:
/// undo, DEL and other attachments rely on it.
pub fn check(draft: DraftPlan, applied: &[Entry], grants: &Grants) -> Result<CheckedPlan, Vec<Violation>> {
    let (mut violations, mut tolerated) = (Vec::new(), Vec::new());
    for entry in &draft.entries {
        let whole = Whole { applied, draft: &draft };
        let rules = grants.rules(&entry.plugin);
        let mut refusals = action::refuse(&entry.action, whole, grants, &rules);
        refusals.extend(rules.refuse_capability(Capability::of_action(&entry.action)));
        if entry.lifetime != lifetime::of(&entry.action, whole.entries().map(|e| &e.action)) {
            refusals.push(Refusal::never(format!("its lifetime is not {:?}", entry.lifetime)));
        }
        for refusal in refusals {
            let action = render::commands(&entry.action).join("; ");
            let violation = Violation { plugin: entry.plugin.clone(), action, refusal };
            if tolerates(&rules, &violation) { &mut tolerated } else { &mut violations }.push(violation);
        }
    }
    let rules = grants.rules(&grants.plugin);
    let whole = Whole { applied, draft: &draft };
    for (action, refusal) in action::refuse_report(whole, grants, &rules) {
        let violation = Violation { plugin: grants.plugin.clone(), action, refusal };
        if tolerates(&rules, &violation) { &mut tolerated } else { &mut violations }.push(violation);
    }
    if violations.is_empty() { Ok(CheckedPlan { draft, tolerated }) } else { Err(violations) }
}

/// Whether a violation is told and let through.
pub fn tolerates(rules: &Rules<'_>, violation: &Violation) -> bool {
    rules.mode() == Mode::Audit && violation.refusal.is_negotiable()
}

#[cfg(test)]
mod tests;
