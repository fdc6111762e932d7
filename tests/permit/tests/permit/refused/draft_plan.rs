//! Applies a plan.

use wasm_cni::apply::journal::Writer;
use wasm_cni::apply::{ApplyError, StateDir, execute};
use wasm_cni::machine::port::Machine;
use wasm_cni::plan::DraftPlan;

/// All of it or nothing.
pub fn apply(
    plan: &DraftPlan,
    writer: &mut Writer,
    state: &StateDir,
    machine: &mut dyn Machine,
) -> Result<(), ApplyError> {
    execute(plan, writer, state, machine)
}

fn main() {}
