//! Port maps in nftables: one table for each family (reference: plugins/meta/portmap/portmap_nftables.go).

use super::{DeletePortMap, MapPorts, PortMapping};
use crate::action::PortOwner;
use crate::action::profile::Removal;
use crate::action::record::{Effect, Old};
use crate::machine::MachineError;
use crate::machine::rules::iptables::Family;
use crate::machine::rules::nftables::{self, Hook, NewRule, Operand, Operator, Rule, Selector, Statement};
use crate::machine::rules::{Edit, Listing, TableError, TableId};
use crate::value::{Backend, length};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The name of the table. Records use it too.
const TABLE: &str = "cni_hostport";

/// The chain with a rule for each mapping.
const HOSTPORTS: &str = "hostports";
/// The chain with the rules for mappings to a host address.
const HOSTIP_HOSTPORTS: &str = "hostip_hostports";
/// The chain that the base chains jump to.
const ALL: &str = "hostports_all";
/// The base chain for packets from other hosts.
const PREROUTING: &str = "prerouting";
/// The base chain for packets from the host itself.
const OUTPUT: &str = "output";
/// The base chain with the rules that masquerade.
const MASQUERADING: &str = "masquerading";

/// All chains of the table.
const CHAINS: [&str; 6] = [HOSTPORTS, HOSTIP_HOSTPORTS, ALL, PREROUTING, OUTPUT, MASQUERADING];

/// The chains that contain rules of containers.
const FILLED: [&str; 3] = [HOSTPORTS, HOSTIP_HOSTPORTS, MASQUERADING];

/// The table of a family.
pub fn table(is_ipv4: bool) -> TableId {
    TableId::Nftables(family(is_ipv4), TABLE)
}

fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "ip" } else { "ip6" }
}

/// Refuses comments and conditions that could add a statement to the script.
pub fn check(ports: &MapPorts) -> Result<(), MachineError> {
    let comment = &ports.comment;
    if comment.len() > length::NFTABLES_COMMENT || comment.chars().any(|c| c == '"' || c.is_control()) {
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

/// The edits that add what is missing in a listing.
pub fn add(ports: &MapPorts, now: &Listing) -> Vec<Edit> {
    let Some(now) = now.nftables() else { return Vec::new() };
    let chains = chains(ports);
    let mut edits = Vec::new();
    if !now.exists || chains.iter().any(|(chain, _)| !now.has_chain(chain)) {
        edits.push(nftables::Edit::AddTable { comment: Some("CNI portmap plugin") });
        edits.extend(chains.into_iter().map(|(chain, hook)| nftables::Edit::AddChain {
            name: chain.to_owned(),
            hook,
            comment: None,
        }));
    }
    edits.extend(lacking(ports, now).map(nftables::Edit::AddRule));
    edits.into_iter().map(Edit::Nftables).collect()
}

/// The edits that delete every listed rule of a container.
pub fn evict(map: &DeletePortMap, now: &Listing) -> Vec<Edit> {
    let is_of = |rule: &Rule| {
        FILLED.contains(&rule.chain.as_str()) && rule.comment.as_deref() == Some(map.chain.as_str())
    };
    let edits = now.nftables().map(|now| now.deletions(is_of)).unwrap_or_default();
    edits.into_iter().map(Edit::Nftables).collect()
}

/// The effect of edits, compared with the earlier listing.
pub fn effect(_ports: &MapPorts, before: &Listing, is_changed: bool) -> Effect {
    match (is_changed, before.nftables().is_some_and(|before| before.exists)) {
        (false, _) => Effect::AlreadyThere,
        (true, false) => Effect::Created,
        (true, true) => Effect::Replaced(Old::Shared(vec![TABLE.to_owned()])),
    }
}

/// What is missing in a listing, one sentence for each rule.
pub fn missing(ports: &MapPorts, now: &Listing) -> Vec<String> {
    let Some(now) = now.nftables() else { return Vec::new() };
    let family = family(ports.address.is_ipv4());
    let line = |rule| nftables::Edit::AddRule(rule).line(family, TABLE);
    lacking(ports, now).map(|rule| format!("the rule `{}` is gone", line(rule))).collect()
}

/// The edits that remove a port map. They remove the table too, if `unmake` names it and nothing of others is in it.
pub fn remove(ports: &MapPorts, unmake: &[String], now: &Listing) -> Removal {
    let Some(now) = now.nftables() else { return Removal::default() };
    let own = parts(ports);
    let is_own = |rule: &Rule| own.iter().any(|part| part.is(rule));
    let is_used = now.has_others
        || now.rules.iter().any(|rule| FILLED.contains(&rule.chain.as_str()) && !is_own(rule))
        || now.chains.iter().any(|chain| !CHAINS.contains(&chain.as_str()));
    let is_whole = unmake.iter().any(|name| name == TABLE);
    let edits = match is_whole && now.exists && !is_used {
        true => vec![nftables::Edit::DeleteTable],
        false => now.deletions(is_own),
    };
    Removal { edits: edits.into_iter().map(Edit::Nftables).collect(), ..Removal::default() }
}

/// The names of what a port map shares with others: the table.
pub fn shared(_ports: &MapPorts) -> Vec<String> {
    vec![TABLE.to_owned()]
}

/// The listed part of these.
pub fn there(_ports: &MapPorts, now: &Listing) -> Vec<String> {
    let exists = now.nftables().is_some_and(|now| now.exists);
    if exists { vec![TABLE.to_owned()] } else { Vec::new() }
}

/// The owners of rules that forward one of these ports, or any port; the oldest rules first.
pub fn owners(now: &Listing, is_ipv4: bool, ports: Option<&[u16]>) -> Vec<PortOwner> {
    let mut seen = BTreeSet::new();
    let is_asked_for =
        |rule: &&Rule| ports.is_none_or(|ports| port(rule).is_some_and(|port| ports.contains(&port)));
    let rules = now.nftables().into_iter().flat_map(|now| now.rules_of(HOSTPORTS)).filter(is_asked_for);
    let owners = rules.filter_map(|rule| {
        let container = rule.comment.clone()?;
        let owner = PortOwner {
            network: None,
            address: destination(rule),
            map: DeletePortMap { backend: Backend::Nftables, is_ipv4, chain: container.clone() },
            container: container.clone(),
        };
        seen.insert(container).then_some(owner)
    });
    owners.collect()
}

/// The error in the wording of the reference.
pub fn failed(error: TableError) -> MachineError {
    error.into_error("could not find nftables binary", "unable to set up nftables rules for port mappings")
}

/// The chains, with the hooks of the base chains.
fn chains(ports: &MapPorts) -> Vec<(&'static str, Option<Hook>)> {
    let nat = |hook, priority| Some(Hook { kind: "nat", hook, priority, policy: None });
    let mut chains = vec![
        (HOSTPORTS, None),
        (HOSTIP_HOSTPORTS, None),
        (ALL, None),
        (PREROUTING, nat("prerouting", -100)),
        (OUTPUT, nat("output", -100)),
    ];
    if ports.masquerade.is_some() {
        chains.push((MASQUERADING, nat("postrouting", 100)));
    }
    chains
}

/// The rules that are missing in a listing.
fn lacking(ports: &MapPorts, now: &nftables::Listing) -> impl Iterator<Item = NewRule> {
    let is_missing = move |part: &NewRule| !now.rules.iter().any(|rule| part.is(rule));
    frame(ports).into_iter().chain(parts(ports)).filter(is_missing)
}

/// The rules that lead to the rules of all containers. Such rules with other conditions belong to other containers, and
/// stay.
fn frame(ports: &MapPorts) -> [NewRule; 4] {
    let rule = |chain: &str, statements| NewRule { chain: chain.to_owned(), statements, comment: None };
    let all = |target: &str| rule(ALL, vec![Statement::Jump(target.to_owned())]);
    let local = Statement::Match(Selector::DestinationType, Operator::Is, Operand::Word("local".to_owned()));
    let entry = |chain| {
        let conditions = &ports.conditions;
        let conditions = (!conditions.is_empty()).then(|| Statement::Words(conditions.clone()));
        let jump = Statement::Jump(ALL.to_owned());
        rule(chain, conditions.into_iter().chain([local.clone(), jump]).collect())
    };
    [all(HOSTIP_HOSTPORTS), all(HOSTPORTS), entry(PREROUTING), entry(OUTPUT)]
}

/// The rules of a container.
fn parts(ports: &MapPorts) -> Vec<NewRule> {
    let address = ports.address.ip();
    let family = family(address.is_ipv4());
    let is_of_family =
        |mapping: &&PortMapping| mapping.host_address.is_none_or(|host| host.is_ipv4() == address.is_ipv4());
    let rule = |chain: &str, statements| NewRule {
        chain: chain.to_owned(),
        statements,
        comment: Some(ports.comment.clone()),
    };
    let is =
        |field, operand| Statement::Match(Selector::Payload(family.to_owned(), field), Operator::Is, operand);
    let is_address = |field, address| is(field, Operand::Address(address));
    let mut parts: Vec<NewRule> = ports
        .mappings
        .iter()
        .filter(is_of_family)
        .map(|mapping| {
            let PortMapping { protocol, host_port, container_port, host_address } = mapping;
            let host = host_address.filter(|host| !host.is_unspecified());
            let port = Selector::Payload(protocol.clone(), "dport");
            let mut statements: Vec<Statement> =
                host.into_iter().map(|host| is_address("daddr", host)).collect();
            statements.extend([
                Statement::Match(port, Operator::Is, Operand::Number(*host_port)),
                Statement::Dnat(address, *container_port),
            ]);
            rule(HOSTPORTS, statements)
        })
        .collect();
    let every = Family::new(address.is_ipv4()).unspecified();
    let sources: Vec<Operand> = match &ports.masquerade {
        None => Vec::new(),
        // The condition holds for every packet. The reference writes it.
        Some(masquerade) if masquerade.all => vec![Operand::Network(every, 0)],
        Some(_) if address.is_ipv4() => [address, Ipv4Addr::LOCALHOST.into()].map(Operand::Address).to_vec(),
        Some(_) => vec![Operand::Address(address)],
    };
    parts.extend(sources.into_iter().map(|source| {
        let statements = vec![is("saddr", source), is_address("daddr", address), Statement::Masquerade];
        rule(MASQUERADING, statements)
    }));
    parts
}

/// The host port in a listed rule.
fn port(rule: &Rule) -> Option<u16> {
    let is_port =
        |one: &&serde_json::Value| one.pointer("/match/left/payload/field") == Some(&json!("dport"));
    let found = rule.statements.iter().find(is_port)?;
    u16::try_from(found.pointer("/match/right")?.as_u64()?).ok()
}

/// The target address of a listed rule.
fn destination(rule: &Rule) -> Option<IpAddr> {
    rule.statements.iter().find_map(|one| one.pointer("/dnat/addr")?.as_str())?.parse().ok()
}
