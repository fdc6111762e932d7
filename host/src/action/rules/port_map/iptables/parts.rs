//! The rules of a port map in the format of `iptables -S`. They are written and compared in this format (reference:
//! plugins/meta/portmap/portmap_iptables.go).

use crate::action::{MapPorts, Mark, PortMapping};
use crate::machine::rules::iptables::{Edit, Rule};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The chain with the jumps to the chains of all containers.
pub const DNAT: &str = "CNI-HOSTPORT-DNAT";
/// The chain that marks packets for masquerading.
pub const SETMARK: &str = "CNI-HOSTPORT-SETMARK";
/// The chain that masquerades marked packets.
pub const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";

/// The limit of the match `multiport` for ports in one rule (`XT_MULTI_PORTS` in the kernel).
const MAX_PORTS: usize = 15;

/// The rules that all containers share, in the order in which the reference adds them.
pub fn frame(ports: &MapPorts) -> Vec<Edit> {
    let mut edits = Vec::new();
    if let Some(mark) = mark(ports) {
        let comment = "CNI portfwd masquerade mark";
        edits.push(Edit::Append(Rule::new(
            SETMARK,
            &["-m", "comment", "--comment", comment, "-j", "MARK", "--set-xmark", &mark],
        )));
        let words = ["-m", "mark", "--mark", &mark, "-j", "MASQUERADE"];
        edits.push(Edit::Append(Rule::new(MASQUERADE, &words)));
        let comment = "CNI portfwd requiring masquerade";
        let words = ["-m", "comment", "--comment", comment, "-j", MASQUERADE];
        edits.push(Edit::Insert(Rule::new("POSTROUTING", &words)));
    }
    for chain in ["PREROUTING", "OUTPUT"] {
        let words = ["-m", "addrtype", "--dst-type", "LOCAL", "-j", DNAT];
        edits.push(Edit::Append(Rule::new(chain, &words)));
    }
    edits
}

/// The shared chains.
pub fn frame_chains(ports: &MapPorts) -> Vec<&'static str> {
    let marked = mark(ports).map(|_| [SETMARK, MASQUERADE]);
    marked.into_iter().flatten().chain([DNAT]).collect()
}

/// The mark with its mask. None if a chain of somebody else marks the packets, or if nothing is masqueraded.
fn mark(ports: &MapPorts) -> Option<String> {
    match ports.masquerade.as_ref()?.mark {
        Mark::Bit(bit) => {
            let mark = 1_u32.checked_shl(bit.into())?;
            Some(format!("{mark:#x}/{mark:#x}"))
        }
        Mark::Chain(_) => None,
    }
}

/// The jumps to the container's chain. They are ordered by protocol, with at most 15 ports each. As in the reference,
/// they include ports of mappings for host addresses of the other family.
pub fn entries(ports: &MapPorts) -> Vec<Rule> {
    let mut protocols: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for mapping in &ports.mappings {
        let list = protocols.entry(&mapping.protocol).or_default();
        if !list.contains(&mapping.host_port.to_string()) {
            list.push(mapping.host_port.to_string());
        }
    }
    let mut rules = Vec::new();
    for (protocol, list) in protocols {
        for ports_of_rule in list.chunks(MAX_PORTS) {
            let list = ports_of_rule.join(",");
            let words = [
                "-p",
                protocol,
                "-m",
                "comment",
                "--comment",
                &ports.comment,
                "-m",
                "multiport",
                "--dports",
                &list,
            ];
            let conditions = ports.conditions.iter().map(String::as_str);
            let words: Vec<&str> = words.into_iter().chain(conditions).chain(["-j", &ports.chain]).collect();
            rules.push(Rule::new(DNAT, &words));
        }
    }
    rules
}

/// Whether a listed rule is this jump. The conditions from the configuration are not compared: iptables may list them
/// in another form than they were written.
pub fn is_entry(listed: &Rule, entry: &Rule) -> bool {
    listed.chain == entry.chain
        && ["-p", "--comment", "--dports", "-j"].iter().all(|key| listed.value(key) == entry.value(key))
}

/// The rules of the container's chain.
pub fn rules(ports: &MapPorts) -> Vec<Rule> {
    let mappings = ports.mappings.iter().filter(|mapping| applies(ports, mapping));
    mappings.flat_map(|mapping| of_mapping(ports, mapping)).collect()
}

/// Whether a mapping applies to the family. A mapping for a host address of the other family does not.
fn applies(ports: &MapPorts, mapping: &PortMapping) -> bool {
    mapping.host_address.is_none_or(|address| address.is_ipv4() == ports.address.is_ipv4())
}

fn of_mapping(ports: &MapPorts, mapping: &PortMapping) -> Vec<Rule> {
    let (is_v4, host) =
        (ports.address.is_ipv4(), mapping.host_address.filter(|address| !address.is_unspecified()));
    let rule = |source: Option<String>, target: &[&str]| {
        let host = host.map(|address| format!("{address}/{}", if is_v4 { 32 } else { 128 }));
        let port = mapping.host_port.to_string();
        let mut words: Vec<&str> = Vec::new();
        words.extend(source.iter().flat_map(|source| ["-s", source]));
        words.extend(host.iter().flat_map(|host| ["-d", host]));
        words.extend(["-p", &mapping.protocol, "-m", &mapping.protocol, "--dport", &port, "-j"]);
        words.extend(target);
        Rule::new(&ports.chain, &words)
    };
    let mut rules = Vec::new();
    if let Some(masquerade) = &ports.masquerade {
        let chain = match &masquerade.mark {
            Mark::Bit(_) => SETMARK,
            Mark::Chain(chain) => chain,
        };
        let network = format!("{}/{}", ports.address.network(), ports.address.prefix());
        // iptables does not list a source that matches all addresses.
        let source = Some(network).filter(|_| !masquerade.all && ports.address.prefix() > 0);
        rules.push(rule(source, &[chain]));
        if is_v4 && !masquerade.all {
            rules.push(rule(Some("127.0.0.1/32".to_owned()), &[chain]));
        }
    }
    let port = mapping.container_port;
    let to = match ports.address.ip() {
        IpAddr::V4(v4) => format!("{v4}:{port}"),
        IpAddr::V6(v6) => format!("[{v6}]:{port}"),
    };
    rules.push(rule(None, &["DNAT", "--to-destination", &to]));
    rules
}

/// The target address of a rule in a container's chain.
pub fn destination(rule: &Rule) -> Option<IpAddr> {
    let (address, _) = rule.value("--to-destination")?.rsplit_once(':')?;
    address.trim_matches(['[', ']']).parse().ok()
}

/// The host ports in a rule.
pub fn ports_of(rule: &Rule) -> Vec<u16> {
    let place = rule.words().iter().position(|word| word == "--dports" || word == "--dport");
    let list = place.and_then(|place| rule.words().get(place + 1)).map(String::as_str).unwrap_or_default();
    list.split(',').filter_map(|port| port.parse().ok()).collect()
}
