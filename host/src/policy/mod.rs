//! Policy: the grants of a request, and the rules of the administrator. `plan::check` compares a plan with them.
//!
//! ```text
//! request, configuration ──▶ Grants (the default) ──┐
//! policy.toml ──▶ Policy ──▶ Rules of a plugin ─────┴─▶ plan::check(draft) ──▶ CheckedPlan, or every Violation
//! ```

#![deny(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod capability;
mod demand;
mod error;
mod file;
pub mod grant;
mod pattern;
mod rules;
mod scope;
pub mod violation;

pub use capability::Capability;
pub use demand::DemandKey;
pub use error::PolicyError;
pub use file::{AuditLog, Ceilings, DEFAULT_PATH, Mode, Policy};
pub use grant::{Grants, TypeGrants};
pub use rules::{Lowered, Rules};
pub use scope::{Key, Resource};
pub use violation::{Line, Refusal, Violation};

/// Whether a violation is only reported, and its plan applied.
pub fn tolerates(rules: &Rules<'_>, violation: &Violation) -> bool {
    rules.mode() == Mode::Audit && violation.refusal.is_negotiable()
}

#[cfg(test)]
mod tests;
