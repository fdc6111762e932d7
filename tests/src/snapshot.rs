//! Everything that a plugin may change, as text.

use crate::Machine;
use crate::differential::state::{nft_lines, rule_lines};
use serde_json::Value;
use std::collections::BTreeMap;

const SCRIPT: &str = include_str!("snapshot.sh");

/// Fields of a link that only the kernel chooses, or that change by themselves.
const VOLATILE: [&str; 36] = [
    "ifindex",
    "link_index",
    "link_netnsid",
    "operstate",
    "promiscuity",
    "allmulti",
    "bridge_id",
    "root_id",
    "root_port",
    "root_path_cost",
    "topology_change",
    "topology_change_detected",
    "topology_change_ack",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "state",
    "id",
    "no",
    "cost",
    "designated_port",
    "designated_cost",
    "designated_bridge",
    "designated_root",
    "config_pending",
    "refcnt",
    // These features follow from ports that the link had; the queue has a line of its own.
    "tso_max_size",
    "tso_max_segs",
    "gso_max_size",
    "gso_max_segs",
    "gro_max_size",
    "qdisc",
];

/// Flags of a link or a route that follow from the other end's state.
const DERIVED_FLAGS: [&str; 6] = ["LOWER_UP", "NO-CARRIER", "M-DOWN", "RUNNING", "linkdown", "dead"];

/// Files that are only locks, or only save time.
const LOCKS: [&str; 3] = ["lock", "xtables.lock", "shared.lock"];

/// Everything that a plugin may change: links, addresses, routes, neighbours, queues, VLANs, parameters of links,
/// forwarding, rules and files, of the host and of every named namespace. Each object is a line; equal states give
/// equal text.
///
/// It leaves out what changes by itself (counters, timers, carrier, link-local addresses and local IPv6 routes), what
/// the reference leaves too (an empty store with its lock, the base chains of iptables), and what only saves time
/// (indexes of lease stores).
pub fn take(machine: &Machine) -> String {
    let output =
        machine.sh(&format!("SCRIPT=$(cat <<'END'\n{SCRIPT}\nEND\n)\nexport SCRIPT\nsh -c \"$SCRIPT\" sh"));
    let mut lines = Vec::new();
    let mut contents: BTreeMap<&str, String> = BTreeMap::new();
    for ((section, space), output) in sections(&output) {
        let mut put = |line: String| lines.push(format!("{space}: {line}"));
        match section {
            "ip4" => {
                let [links, addresses, routes, neighbours] = batch(&output);
                links.iter().for_each(|link| put(link_line(link)));
                addresses.iter().flat_map(address_lines).for_each(&mut put);
                routes.iter().filter_map(route_line).for_each(&mut put);
                neighbours.iter().for_each(|neighbour| put(format!("neighbour {neighbour}")));
            }
            "ip6" => {
                let [routes, neighbours] = batch(&output);
                routes.iter().filter_map(route_line).for_each(&mut put);
                neighbours.iter().for_each(|neighbour| put(format!("neighbour {neighbour}")));
            }
            "qdiscs" => {
                let [found] = batch(&output);
                let set = found.iter().filter(|qdisc| qdisc["kind"] != "noqueue");
                set.for_each(|qdisc| put(format!("qdisc {}", scrubbed(qdisc))));
            }
            "vlans" => {
                let [found] = batch(&output);
                found.iter().for_each(|port| put(format!("vlan {port}")));
            }
            "sysctls" => output.iter().for_each(|line| put(format!("sysctl {line}"))),
            "nft" => nft_lines(&output, true).for_each(|line| put(format!("nft {line}"))),
            "iptables" | "ip6tables" => rule_lines(section, &output).into_iter().for_each(put),
            "files" => {
                for line in output {
                    let path = line.splitn(3, ' ').last().unwrap_or_default();
                    if !LOCKS.contains(&path.rsplit('/').next().unwrap_or_default()) {
                        contents.insert(path, format!(" {}", &line[..line.len() - path.len() - 1]));
                    }
                }
            }
            _ => {
                for line in output {
                    let Some((path, text)) = line.split_once('\0') else { continue };
                    if let Some(content) = contents.get_mut(path) {
                        *content += &format!(" {}", text.replace('\r', "\\r"));
                    }
                }
            }
        }
    }
    lines.extend(contents.into_iter().map(|(path, content)| format!("{path}:{content}")));
    lines.sort_unstable();
    lines.join("\n")
}

fn sections(output: &str) -> Vec<((&str, &str), Vec<&str>)> {
    let mut sections: Vec<((&str, &str), Vec<&str>)> = Vec::new();
    for line in output.lines() {
        match (line.strip_prefix('@').and_then(|heading| heading.split_once(' ')), sections.last_mut()) {
            (Some(heading), _) => sections.push((heading, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    sections
}

/// The output of each command of a batch: one array, with an empty object for each filtered element.
fn batch<const N: usize>(lines: &[&str]) -> [Vec<Value>; N] {
    let text = lines.concat();
    let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<Vec<Value>>();
    std::array::from_fn(|_| {
        let mut values = stream.next().map_or_else(Vec::new, |values| values.expect("JSON of iproute2"));
        values.retain(|value| value.as_object().is_some_and(|object| !object.is_empty()));
        values
    })
}

/// Removes volatile fields, at any depth.
fn scrubbed(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), scrubbed(value))).collect())
        }
        Value::Array(values) => {
            let kept = values.iter().filter(|value| !DERIVED_FLAGS.iter().any(|flag| *value == flag));
            Value::Array(kept.map(scrubbed).collect())
        }
        other => other.clone(),
    }
}

fn link_line(link: &Value) -> String {
    format!("link {} {}", link["ifname"].as_str().unwrap_or_default(), scrubbed(link))
}

fn address_lines(link: &Value) -> Vec<String> {
    let name = link["ifname"].as_str().unwrap_or_default();
    let addresses = link["addr_info"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let wanted = addresses.filter(|address| address.get("scope").is_none_or(|scope| scope != "link"));
    let lines = wanted.map(|address| {
        let text = |key: &str| address.get(key).and_then(Value::as_str).unwrap_or_default();
        let prefix = address.get("prefixlen").unwrap_or(&Value::Null);
        let mut more = address.clone();
        // A finite lifetime decreases; an infinite one is printed as such.
        more.retain(|key, value| {
            !["family", "local", "prefixlen", "tentative"].contains(&key.as_str())
                && (!key.ends_with("_life_time") || *value == u32::MAX)
        });
        format!("address {name} {} {}/{prefix} {}", text("family"), text("local"), Value::Object(more))
    });
    lines.collect()
}

/// Leaves out what the kernel adds by itself at an unknown time.
fn route_line(route: &Value) -> Option<String> {
    let text = |key: &str| route[key].as_str().unwrap_or_default();
    let dst = text("dst");
    let is_automatic = dst.starts_with("fe80:")
        || text("type") == "multicast"
        || (dst.contains(':') && ["local", "anycast"].contains(&text("type")));
    (!is_automatic).then(|| format!("route {dst} {}", scrubbed(route)))
}
