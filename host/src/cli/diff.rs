//! `wasm-cni diff`: compares attachments with their journals, and prints the plan that would repair the differences.

use super::{Format, Printed};
use crate::cni::CniError;
use crate::node::Node;
use crate::value::Attachment;
use crate::verb::drift::{self, Drift};
use serde_json::Value;

/// The network and the output format, for `diff` and `repair`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only attachments of this network.
    pub(super) network: Option<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
}

/// Compares and changes nothing. The exit code is 1 if an attachment differs from its journal.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    node.state.check_readable()?;
    let drifts = drift::all(node, super::network(arguments.network.as_deref())?.as_ref());
    let success = drifts.iter().all(Drift::is_none);
    let text = match arguments.output {
        Format::Json => json(&drifts, "drift"),
        Format::Text if success => {
            let looked = drifts.iter().filter(|drift| !drift.in_flight).count();
            format!("no drift: {}\n", unchanged(looked)) + &in_flight(&drifts)
        }
        Format::Text => texts(&drifts, "drift"),
    };
    Ok(Printed { text, success })
}

/// The number of attachments without differences, as text.
pub(super) fn unchanged(count: usize) -> String {
    match count {
        1 => "1 attachment is as it was made".to_owned(),
        _ => format!("{count} attachments are as they were made"),
    }
}

/// The attachments with differences or repairs, separated by an empty line.
pub(super) fn texts(drifts: &[Drift], title: &str) -> String {
    let drifted = drifts.iter().filter(|drift| !drift.is_none() || !drift.repairs.is_empty());
    let texts = drifted.map(|drift| drift.document(title, &drift.attached.plugins()).text());
    let texts: Vec<String> = texts.collect();
    texts.join("\n") + &in_flight(drifts)
}

/// The attachments that were not compared, because a verb of them runs.
pub(super) fn in_flight(drifts: &[Drift]) -> String {
    let skipped = drifts.iter().filter(|drift| drift.in_flight);
    let text = |drift: &Drift| {
        let Attachment { network, container, interface } = &drift.attached.attachment;
        format!(
            "left alone, since an ADD or DEL of it runs: interface {interface} of container {container} on network {network}\n"
        )
    };
    skipped.map(text).collect()
}

/// All attachments as JSON.
pub(super) fn json(drifts: &[Drift], title: &str) -> String {
    let value = |drift: &Drift| {
        let plugins = drift.attached.plugins();
        let mut value = serde_json::to_value(drift.document(title, &plugins)).unwrap_or(Value::Null);
        if let Some(object) = value.as_object_mut() {
            object.insert("in-flight".to_owned(), drift.in_flight.into());
        }
        value
    };
    super::json(&drifts.iter().map(value).collect::<Vec<_>>())
}
