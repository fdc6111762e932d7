//! `wasm-cni diff`: how attachments differ from what was made, as the plan that would repair it.

use super::{Format, Printed};
use crate::cni::CniError;
use crate::node::Node;
use crate::value::Attachment;
use crate::verb::drift::{self, Drift};
use serde_json::Value;

/// Which network, and how to print: of `diff` and of `repair`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The network; without it, all of them.
    pub(super) network: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
}

/// Compares, and changes nothing. An attachment that is not as it was made makes the exit code 1.
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

/// How many attachments are all right.
pub(super) fn unchanged(count: usize) -> String {
    match count {
        1 => "1 attachment is as it was made".to_owned(),
        _ => format!("{count} attachments are as they were made"),
    }
}

/// Those of which there is something to tell, with an empty line between them.
pub(super) fn texts(drifts: &[Drift], title: &str) -> String {
    let drifted = drifts.iter().filter(|drift| !drift.is_none() || !drift.repairs.is_empty());
    let texts = drifted.map(|drift| drift.document(title, &drift.attached.plugins()).text());
    let texts: Vec<String> = texts.collect();
    texts.join("\n") + &in_flight(drifts)
}

/// Those that were not looked at.
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

/// All of them.
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
