//! wasm-cni: a CNI plugin host that runs plugin logic as sandboxed WebAssembly.
//!
//! ```text
//! CNI_* + stdin ── cni::command, cni::config ──▶ Request              pure
//! planner child (no privileges): guest asks the parent for facts, and records ──▶ DraftPlan
//! plan::check ──▶ CheckedPlan                 all violations at once
//! dry run: plan::document ◀──┴──▶ apply::execute             journal, do, journal; undo on failure
//! cni::result (filled in from the kernel) | CniError ──▶ stdout
//! ```
//!
//! ADD locks the attachment before the parent answers the first question; DEL, CHECK and GC start from the journal
//! ([`verb`]) under the same lock. A fact is what the parent reads from the [`machine`], and the planner adds what the
//! draft changes. A stage is a part of a plan that is checked and applied in one go: a native delegate ends a stage.
//!
//! Reading order: [`run`] (the picture as one function), [`value`] (the data), [`action`] (what a plan can do, one
//! module for each kind), [`plan`], [`policy`], [`apply`], [`machine`], [`sandbox`]. Imports point in one direction.
//! `docs/architecture.md` has the order, and a test checks it.

pub mod action;
pub mod apply;
pub mod audit;
pub mod chain;
pub mod cli;
pub mod cni;
pub mod delegate;
pub mod error;
pub mod install;
pub mod machine;
pub mod node;
pub mod panic;
pub mod patience;
pub mod plan;
pub mod planning;
pub mod plugin;
pub mod policy;
pub mod printable;
pub mod reference;
pub mod result;
pub mod run;
pub mod sandbox;
pub mod section;
pub mod signal;
pub mod stderr;
pub mod timings;
pub mod trust;
pub mod value;
pub mod verb;
