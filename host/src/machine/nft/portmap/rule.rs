//! The rules of a port map, as they are written and as they are listed.

use super::super::super::MachineError;
use super::super::table::Rule;
use super::TABLE;
use crate::action::{MapPorts, PortMapping};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The chain with a rule for each mapping.
pub const HOSTPORTS: &str = "hostports";
/// The chain with the rules of what is masqueraded.
pub const MASQUERADING: &str = "masquerading";

/// All chains of the table.
pub const CHAINS: [&str; 6] =
    [HOSTPORTS, "hostip_hostports", "hostports_all", "prerouting", "output", MASQUERADING];

/// So many bytes a comment has at most.
const MAX_COMMENT_BYTES: usize = 128;

/// A rule and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    family: &'static str,
    chain: &'static str,
    words: String,
    /// As it is listed; none: what it depends on is written in one way and listed in another.
    statements: Option<Value>,
    comment: Option<String>,
}

impl Part {
    /// The statement that adds it.
    pub fn line(&self) -> String {
        let comment = self.comment.as_ref().map(|text| format!(" comment \"{text}\"")).unwrap_or_default();
        format!("add rule {} {TABLE} {} {}{comment}", self.family, self.chain, self.words)
    }

    /// Whether a listed rule is this one.
    pub fn is(&self, rule: &Rule) -> bool {
        rule.chain == self.chain
            && rule.comment == self.comment
            && match &self.statements {
                Some(statements) => rule.statements == *statements,
                // By where it leads.
                None => rule.statements.as_array().and_then(|all| all.last()) == Some(&jump("hostports_all")),
            }
    }
}

fn family(ports: &MapPorts) -> &'static str {
    if ports.address.is_ipv4() { "ip" } else { "ip6" }
}

fn jump(target: &str) -> Value {
    json!({"jump": {"target": target}})
}

fn matches(left: Value, right: Value) -> Value {
    json!({"match": {"op": "==", "left": left, "right": right}})
}

fn payload(protocol: &str, field: &str, right: Value) -> Value {
    matches(json!({"payload": {"protocol": protocol, "field": field}}), right)
}

/// The chains, each with what it is declared as.
pub fn chains(ports: &MapPorts) -> Vec<(&'static str, &'static str)> {
    let mut chains = vec![
        (HOSTPORTS, ""),
        ("hostip_hostports", ""),
        ("hostports_all", ""),
        ("prerouting", " { type nat hook prerouting priority -100 ; }"),
        ("output", " { type nat hook output priority -100 ; }"),
    ];
    if ports.masquerade.is_some() {
        chains.push((MASQUERADING, " { type nat hook postrouting priority 100 ; }"));
    }
    chains
}

/// What leads to the rules of all containers. Those with other conditions stay: they are other containers'.
pub fn frame(ports: &MapPorts) -> Vec<Part> {
    let family = family(ports);
    let part = |chain, words: String, statements| Part { family, chain, words, statements, comment: None };
    let all = |target: &str| part("hostports_all", format!("jump {target}"), Some(json!([jump(target)])));
    let local = matches(json!({"fib": {"result": "type", "flags": ["daddr"]}}), json!("local"));
    let local = json!([local, jump("hostports_all")]);
    let conditions: String = ports.conditions.iter().map(|word| format!("{word} ")).collect();
    let entry = |chain| {
        let statements = ports.conditions.is_empty().then(|| local.clone());
        part(chain, format!("{conditions}fib daddr type local jump hostports_all"), statements)
    };
    vec![all("hostip_hostports"), all(HOSTPORTS), entry("prerouting"), entry("output")]
}

/// The rules of a container.
pub fn parts(ports: &MapPorts) -> Vec<Part> {
    let (family, address) = (family(ports), ports.address.ip());
    let is_of_family =
        |mapping: &&PortMapping| mapping.host_address.is_none_or(|host| host.is_ipv4() == address.is_ipv4());
    let part = |chain, words: String, statements: Vec<Value>| Part {
        family,
        chain,
        words,
        statements: Some(Value::Array(statements)),
        comment: Some(ports.comment.clone()),
    };
    let mut parts: Vec<Part> = ports
        .mappings
        .iter()
        .filter(is_of_family)
        .map(|mapping| {
            let PortMapping { protocol, host_port, container_port, host_address } = mapping;
            let host = host_address.filter(|host| !host.is_unspecified());
            let mut words = host.map(|host| format!("{family} daddr {host} ")).unwrap_or_default();
            let mut statements: Vec<Value> =
                host.iter().map(|host| payload(family, "daddr", json!(host))).collect();
            let to = match address {
                IpAddr::V4(v4) => format!("{v4}:{container_port}"),
                IpAddr::V6(v6) => format!("[{v6}]:{container_port}"),
            };
            words += &format!("{protocol} dport {host_port} dnat to {to}");
            statements.push(payload(protocol, "dport", json!(host_port)));
            statements.push(json!({"dnat": {"addr": address, "port": container_port}}));
            part(HOSTPORTS, words, statements)
        })
        .collect();
    let Some(masquerade) = &ports.masquerade else { return parts };
    let to = payload(family, "daddr", json!(address));
    let mut hide = |source: Option<IpAddr>| {
        let from = source.map(|source| format!("{family} saddr {source} ")).unwrap_or_default();
        let mut statements: Vec<Value> =
            source.iter().map(|source| payload(family, "saddr", json!(source))).collect();
        statements.extend([to.clone(), json!({"masquerade": null})]);
        parts.push(part(MASQUERADING, format!("{from}{family} daddr {address} masquerade"), statements));
    };
    if masquerade.all {
        hide(None);
    } else {
        hide(Some(address));
        if address.is_ipv4() {
            hide(Some(std::net::Ipv4Addr::LOCALHOST.into()));
        }
    }
    parts
}

/// The port of the host in a listed rule.
pub fn port(rule: &Rule) -> Option<u16> {
    let statements = rule.statements.as_array()?.iter();
    let mut ports =
        statements.filter(|one| one.pointer("/match/left/payload/field") == Some(&json!("dport")));
    u16::try_from(ports.next()?.pointer("/match/right")?.as_u64()?).ok()
}

/// Where a listed rule leads.
pub fn destination(rule: &Rule) -> Option<IpAddr> {
    let mut found = rule.statements.as_array()?.iter().filter_map(|one| one.pointer("/dnat/addr")?.as_str());
    found.next()?.parse().ok()
}

/// What is written into a script must stay what it is: nobody gets a statement of his own in.
pub fn validate(ports: &MapPorts) -> Result<(), MachineError> {
    let comment = &ports.comment;
    if comment.len() > MAX_COMMENT_BYTES || comment.chars().any(|c| c == '"' || c.is_control()) {
        return Err(MachineError::Conflict(format!("{comment:?} is no comment of a rule in nftables")));
    }
    let is_wrong = |word: &&String| {
        let verdicts = [
            "accept",
            "drop",
            "reject",
            "return",
            "jump",
            "goto",
            "queue",
            "continue",
            "dnat",
            "snat",
            "masquerade",
            "redirect",
        ];
        word.chars().any(|c| matches!(c, ';' | '#' | '\\') || c.is_control())
            || word.split_whitespace().any(|part| verdicts.contains(&part))
    };
    match ports.conditions.iter().find(is_wrong) {
        Some(word) => Err(MachineError::Conflict(format!("{word:?} is no condition of a rule"))),
        None => Ok(()),
    }
}
