//! `wasm-cni attachments`: lists the attachments of this node.

use super::{Format, Printed, table};
use crate::action::AddAddress;
use crate::cni::CniError;
use crate::node::Node;
use crate::value::{Attachment, Netns};
use crate::verb::attached::{self, Attached, State};
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The network and the output format.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// List only the attachments of this network.
    network: Option<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// An attachment as it is printed.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    attachment: Attachment,
    netns: String,
    /// The addresses of the container, with prefix lengths.
    addresses: Vec<String>,
    /// Type and SHA-256 of each component that recorded a plan.
    plugins: Vec<(String, String)>,
    /// The time when the first plugin began, in seconds since 1970.
    created: u64,
    state: State,
}

/// Lists the attachments from the journals. Of the machine it reads only whether the container's namespace exists.
pub(super) fn run(node: &Node, arguments: &Arguments) -> Result<Printed, CniError> {
    node.state.check_readable()?;
    let network = super::network(arguments.network.as_deref())?;
    let found = attached::all(&node.state, network.as_ref());
    let rows: Vec<Row> = found.iter().map(|attached| row(attached, attached.state(&node.state))).collect();
    let text = match arguments.output {
        Format::Json => super::json(&rows),
        Format::Text => {
            let heads = ["NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "PLUGINS", "AGE", "STATE"];
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            table::render(&heads, rows.iter().map(|row| row.cells(now)).collect())
        }
    };
    Ok(Printed { text, success: true })
}

fn row(attached: &Attached, state: State) -> Row {
    let first = attached.sections.first();
    Row {
        attachment: attached.attachment.clone(),
        netns: attached.netns_path().to_owned(),
        addresses: addresses(attached),
        plugins: attached.plugins(),
        created: first.map(|section| section.header.created / 1_000_000_000).unwrap_or_default(),
        state,
    }
}

/// The addresses that ADD reported. If the ADD did not end, the addresses that it planned.
fn addresses(attached: &Attached) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for section in &attached.sections {
        let added = section.entries().filter_map(|entry| AddAddress::of(&entry.action));
        let planned =
            added.filter(|add| add.link.netns == Netns::Container).map(|add| add.address.to_string());
        let reported =
            section.report.iter().flat_map(|report| report.ips.iter().map(|ip| ip.address.to_string()));
        for address in reported.chain(planned) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    addresses
}

impl Row {
    fn cells(&self, now: Duration) -> Vec<String> {
        let Attachment { network, container, interface } = &self.attachment;
        let plugins = self.plugins.iter().map(|(plugin, digest)| format!("{plugin}@{}", start(digest, 8)));
        let age = now.saturating_sub(Duration::from_secs(self.created));
        let state = match self.state {
            State::Complete => "complete",
            State::Unfinished => "unfinished",
            State::InFlight => "in flight",
            State::NetnsGone => "netns gone",
        };
        vec![
            network.to_string(),
            short(container.as_str()),
            interface.to_string(),
            self.addresses.join(" "),
            plugins.collect::<Vec<_>>().join(" "),
            duration(age),
            state.to_owned(),
        ]
    }
}

/// A container ID for people. A long one is generated, so its beginning is enough. The JSON output has all of it.
fn short(container: &str) -> String {
    if container.len() > 32 { start(container, 13).to_owned() } else { container.to_owned() }
}

fn start(text: &str, length: usize) -> &str {
    text.get(..length).unwrap_or(text)
}

/// A duration in its largest unit.
fn duration(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_ids_are_short() {
        let ages = [59, 60, 3599, 3600, 86_399, 86_400, 864_000].map(|s| duration(Duration::from_secs(s)));
        assert_eq!(ages, ["59s", "1m", "59m", "1h", "23h", "1d", "10d"]);
        assert_eq!(short("1234567890"), "1234567890");
        assert_eq!(short(&"ab".repeat(32)), "ababababababa");
    }
}
