//! `wasm-cni repair`: applies the plan that `wasm-cni diff` prints.

use super::diff::{self, Arguments};
use super::{Format, Printed};
use crate::cni::CniError;
use crate::node::Node;
use crate::verb::drift::Drift;
use crate::verb::repair;

/// Repairs, and reports what was done. The exit code is 1 if differences remain.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    node.state.check_readable()?;
    let repaired = repair::all(node, super::network(arguments.network.as_deref())?.as_ref())?;
    let success = repaired.iter().all(Drift::is_none);
    let text = match arguments.output {
        Format::Json => diff::json(&repaired, "repaired"),
        Format::Text if repaired.iter().all(|drift| drift.is_none() && drift.repairs.is_empty()) => {
            let looked = repaired.iter().filter(|drift| !drift.in_flight).count();
            format!("nothing to repair: {}\n", diff::unchanged(looked)) + &diff::in_flight(&repaired)
        }
        Format::Text => diff::texts(&repaired, "repaired"),
    };
    Ok(Printed { text, success })
}
