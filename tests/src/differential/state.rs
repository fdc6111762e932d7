//! The state of a machine as fields.

use super::names::Names;
use super::{Case, Fields};
use crate::Machine;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const SCRIPT: &str = include_str!("state.sh");

/// Flags of a link that follow from other flags or from the other end's state.
const DERIVED_FLAGS: [&str; 7] =
    ["LOWER_UP", "NO-CARRIER", "M-DOWN", "BROADCAST", "MULTICAST", "LOOPBACK", "RUNNING"];

/// Parameters that the reference's bridge does not change in the container, and at the gateway in a VLAN.
const OWN_SYSCTLS: [&str; 2] = ["accept_ra", "ndisc_notify"];

/// Tables that `iptables-save` shows.
const IPTABLES: [&str; 5] = ["nat", "filter", "mangle", "raw", "security"];

/// The current state of the machine, and the names of its links in it.
pub fn observe(machine: &Machine, case: &Case) -> (Fields, Names) {
    let output =
        machine.sh(&format!("SCRIPT=$(cat <<'END'\n{SCRIPT}\nEND\n)\nexport SCRIPT\nsh -c \"$SCRIPT\" sh"));
    let mut sections: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut at = ("", "");
    for line in output.lines() {
        match line.strip_prefix('@').and_then(|heading| heading.split_once(' ')) {
            Some(heading) => {
                at = heading;
                sections.entry(at).or_default();
            }
            None => sections.entry(at).or_default().push(line),
        }
    }
    let of = |section: &'static str| {
        let sections = &sections;
        sections
            .iter()
            .filter(move |((name, _), _)| *name == section)
            .map(|((_, space), lines)| (*space, lines))
    };
    let links: BTreeMap<String, Vec<Value>> =
        of("links").map(|(space, lines)| (space.to_owned(), json(lines))).collect();
    let names = Names::new(&links);
    let mut fields = Fields::new();
    let mut put =
        |field: &str, line: String| fields.entry(field.to_owned()).or_default().push(names.replace(&line));
    for (space, links) in &links {
        for link in links {
            for (field, line) in link_lines(space, link, case) {
                put(field, line);
            }
        }
    }
    for (space, lines) in of("addresses") {
        json(lines)
            .iter()
            .flat_map(|link| address_lines(space, link))
            .for_each(|(field, line)| put(field, line));
    }
    for (space, lines) in of("vlans") {
        json(lines).iter().filter_map(|port| vlan_line(space, port)).for_each(|line| put("vlans", line));
    }
    for section in ["routes4", "routes6"] {
        for (space, lines) in of(section) {
            json(lines)
                .iter()
                .filter_map(|route| route_line(space, route))
                .for_each(|line| put("routes", line));
        }
    }
    for (space, lines) in of("neighbours") {
        lines.iter().for_each(|line| put("neighbours", format!("{space} {line}")));
    }
    for (space, lines) in of("sysctls") {
        for (key, line) in sysctl_lines(space, lines) {
            let is_own = OWN_SYSCTLS.contains(&key.as_str()) && (space != "host" || is_vlan_gateway(&line));
            put(if is_own { "own-sysctls" } else { "sysctls" }, line);
        }
    }
    for (space, lines) in of("qdiscs") {
        lines.iter().for_each(|line| put("qdiscs", format!("{space} {}", line.trim())));
    }
    for (space, lines) in of("nft") {
        nft_lines(lines, space == "host").for_each(|line| put("nft", format!("{space} {line}")));
    }
    for section in ["iptables", "ip6tables"] {
        for (_, lines) in of(section) {
            rule_lines(section, lines).into_iter().for_each(|line| put("iptables", line));
        }
    }
    for (_, lines) in of("files") {
        let lines = lines.iter().flat_map(|line| file_lines(line));
        lines.for_each(|(field, line)| put(field, without_macs(&line, case)));
    }
    for field in [
        "links",
        "alias",
        "own-alias",
        "veth-txqlen",
        "mac",
        "vlans",
        "neighbours",
        "nodad",
        "qdiscs",
        "sysctls",
        "own-sysctls",
        "leases",
        "lease-modes",
    ] {
        fields.entry(field.to_owned()).or_default().sort();
    }
    fields.retain(|_, lines| !lines.is_empty());
    (fields, names)
}

/// `ip` prints one array, with an empty object for each filtered element.
fn json(lines: &[&str]) -> Vec<Value> {
    let text = lines.concat();
    let values: Vec<Value> =
        if text.is_empty() { Vec::new() } else { serde_json::from_str(&text).expect("JSON of ip") };
    values.into_iter().filter(|value| *value != Value::Object(serde_json::Map::new())).collect()
}

fn link_lines(space: &str, link: &Value, case: &Case) -> Vec<(&'static str, String)> {
    let name = format!("{space} {}", link["ifname"].as_str().unwrap_or_default());
    let info = &link["linkinfo"];
    let flags = link["flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut flags: Vec<&str> = flags.filter(|flag| !DERIVED_FLAGS.contains(flag)).collect();
    flags.sort_unstable();
    let mut line = format!("{name} {} {}", info["info_kind"].as_str().unwrap_or("-"), flags.join(","));
    line += &format!(" mtu {}", link["mtu"]);
    if let Some(master) = link["master"].as_str() {
        line += &format!(" master {master}");
    }
    for key in ["hairpin", "isolated"] {
        if info["info_slave_data"][key] == true {
            line += &format!(" {key}");
        }
    }
    for key in ["vlan_filtering", "stp_state"] {
        if info["info_data"][key].as_u64().is_some_and(|value| value != 0) {
            line += &format!(" {key}");
        }
    }
    if name.ends_with(" lo") {
        let is_usual = (space == "host") == flags.contains(&"UP");
        return if is_usual { Vec::new() } else { vec![("links", line)] };
    }
    let txqlen = link["txqlen"].as_u64().unwrap_or(0);
    let is_veth = info["info_kind"] == "veth";
    if !is_veth && txqlen != 1000 {
        line += &format!(" txqlen {txqlen}");
    }
    let mut lines = vec![("links", line)];
    if is_veth {
        lines.push(("veth-txqlen", format!("{name} {txqlen}")));
    }
    if let Some(alias) = link["ifalias"].as_str() {
        let is_own = alias.starts_with("wasm-cni ");
        lines.push(if is_own { ("own-alias", name.clone()) } else { ("alias", format!("{name} {alias}")) });
    }
    if let Some(mac) = link["address"].as_str().filter(|mac| case.names(mac)) {
        lines.push(("mac", format!("{name} {mac}")));
    }
    lines
}

/// The VLANs of a port; empty for the VLANs that the kernel gives every port.
fn vlan_line(space: &str, port: &Value) -> Option<String> {
    let vlans = port["vlans"].as_array().into_iter().flatten().map(|vlan| {
        let flags = vlan["flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let flags: String = flags.map(|flag| format!(" {flag}")).collect();
        let last = vlan["vlanEnd"].as_u64().map(|last| format!("-{last}")).unwrap_or_default();
        format!("{}{last}{flags}", vlan["vlan"])
    });
    let vlans = vlans.collect::<Vec<_>>().join(", ");
    let name = port["ifname"].as_str().unwrap_or_default();
    (vlans != "1 PVID Egress Untagged").then(|| format!("{space} {name} {vlans}"))
}

fn address_lines(space: &str, link: &Value) -> Vec<(&'static str, String)> {
    let name = link["ifname"].as_str().unwrap_or_default();
    let addresses = link["addr_info"].as_array().into_iter().flatten();
    let wanted = addresses.filter(|address| name != "lo" && address["scope"] != "link");
    let lines = wanted.flat_map(|address| {
        let mut line = format!("{space} {name}");
        let nodad = (address["nodad"] == true).then(|| ("nodad", format!("{line} {}", address["local"])));
        for key in [
            "local",
            "address",
            "prefixlen",
            "broadcast",
            "scope",
            "label",
            "noprefixroute",
            "secondary",
            "valid_life_time",
        ] {
            match &address[key] {
                Value::Null => {}
                value if key == "label" && value == name => {}
                value if key == "valid_life_time" && value == u32::MAX => {}
                value => line += &format!(" {key}={}", value.to_string().trim_matches('"')),
            }
        }
        nodad.into_iter().chain([("addresses", line)])
    });
    lines.collect()
}

/// Leaves out what the kernel adds by itself at an unknown time: local IPv6 routes (after DAD) and link-local routes.
fn route_line(space: &str, route: &Value) -> Option<String> {
    let text = |key: &str| route[key].as_str().unwrap_or_default();
    let dst = text("dst");
    let is_automatic = text("dev") == "lo"
        || dst.starts_with("fe80:")
        || text("type") == "multicast"
        || (dst.contains(':') && text("table") == "local");
    if is_automatic {
        return None;
    }
    let mut line = format!("{space} {dst}");
    let mut keys: Vec<&String> = route.as_object()?.keys().collect();
    keys.retain(|key| !["dst", "flags", "pref"].contains(&key.as_str()));
    for key in keys {
        line += &format!(" {key}={}", route[key].to_string().replace('"', ""));
    }
    let flags = route["flags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for flag in flags.filter(|flag| !["linkdown", "dead"].contains(flag)) {
        line += &format!(" {flag}");
    }
    Some(line)
}

/// The parameters of every link that differ from the namespace's default for new links, and forwarding: each with its
/// key.
fn sysctl_lines(space: &str, lines: &[&str]) -> Vec<(String, String)> {
    let values: BTreeMap<(&str, &str, &str), &str> = lines
        .iter()
        .filter_map(|line| {
            let (path, value) = line.split_once(':')?;
            let mut parts = path.split('/');
            let (family, _, link, key) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            Some(((family, link, key), value))
        })
        .collect();
    let mut out = Vec::new();
    for ((family, link, key), value) in &values {
        let is_shown = match *link {
            "all" => *key == "forwarding" && *value != "0",
            "default" | "lo" => *key == "disable_ipv6" && *value != "0",
            _ => *key != "mtu" && values.get(&(*family, "default", *key)) != Some(value),
        };
        if is_shown {
            out.push(((*key).to_owned(), format!("{space} {family} {link} {key}={value}")));
        }
    }
    out
}

/// Whether a parameter belongs to a link with a name of the form `BRIDGE.VID`.
fn is_vlan_gateway(line: &str) -> bool {
    line.split(' ').nth(2).is_some_and(|link| link.contains('.'))
}

/// Everything except the tables of iptables, which `iptables-save` shows.
pub(crate) fn nft_lines<'a>(lines: &'a [&'a str], is_host: bool) -> impl Iterator<Item = &'a str> {
    let mut is_shown = true;
    lines.iter().copied().filter(move |line| {
        if let Some(table) = line.strip_prefix("table ") {
            let (family, name) = table.trim_end_matches(" {").split_once(' ').unwrap_or_default();
            is_shown = !(is_host && ["ip", "ip6"].contains(&family) && IPTABLES.contains(&name));
        }
        is_shown && !line.trim().is_empty() && !line.starts_with("# Warning")
    })
}

/// Chains of others, policies other than ACCEPT, and rules.
pub(crate) fn rule_lines(program: &str, lines: &[&str]) -> Vec<String> {
    let mut table = "";
    let mut out = Vec::new();
    for line in lines {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let line = line.split(" [").next().unwrap_or_default();
        if line.starts_with("-A ") || (line.starts_with(':') && !line.ends_with(" ACCEPT")) {
            out.push(format!("{program} {table} {line}"));
        }
    }
    out
}

/// A line with `MAC` for each quoted Ethernet address that the case does not name.
fn without_macs(line: &str, case: &Case) -> String {
    let is_mac = |text: &str| {
        text.split(':').count() == 6
            && text.split(':').all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok())
    };
    let part =
        |part: &str| if is_mac(part) && !case.names(part) { "MAC".to_owned() } else { part.to_owned() };
    line.split('"').map(part).collect::<Vec<_>>().join("\"")
}

fn file_lines(line: &str) -> Vec<(&'static str, String)> {
    let mut parts = line.splitn(4, ' ');
    let mut next = || parts.next().unwrap_or_default();
    let (kind, mode, path, content) = (next(), next(), next(), next());
    let content = content.replace('\u{1}', "\\r").replace('\u{2}', "\\n");
    let name = path.rsplit('/').next().unwrap_or_default();
    let above: BTreeSet<&str> = ["/var/lib/cni", "/var/lib/cni/networks", "/run/cni"].into();
    match kind {
        "f" if name == "lock" || content.is_empty() => vec![("leases", format!("{path} {mode} {content:?}"))],
        "f" => vec![("leases", format!("{path} \"{content}\"")), ("lease-modes", format!("{path} {mode}"))],
        _ if above.contains(path) => Vec::new(),
        _ => vec![("leases", format!("{path} {kind} {mode}"))],
    }
}
