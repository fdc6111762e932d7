//! Plugins: finds, compiles and runs them in a sandbox where they can only record actions. Only this module uses
//! wasmtime.
//!
//! ```text
//! lookup ──▶ cache (wasm-cni-compile) ──▶ planner: child ── engine ── guest ── imports/* ──▶ recorder
//!                                              │ questions, answers, code            overlay ┘
//!                                         planner: parent ──▶ DraftPlan
//! ```

#![deny(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod bindings;
pub mod cache;
mod confine;
mod engine;
pub mod guest;
mod handle;
mod imports;
pub mod inspect;
pub mod limits;
mod link;
mod linked;
pub mod lookup;
mod lower;
pub mod manifest;
mod mapping;
mod overlay;
pub mod own;
pub mod planner;
pub mod recorder;
mod report;
mod tunables;
mod wasi;

#[cfg(test)]
mod test;

use crate::value::Kind;

pub use cache::{Cache, Code, CodeError};
pub use inspect::{Inspection, inspect};
pub use lookup::Found;
pub use manifest::Manifest;
pub use planner::{Planner, plan};
pub use tunables::ENGINE_ID;
