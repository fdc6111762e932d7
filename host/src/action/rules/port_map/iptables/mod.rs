//! Port maps in iptables: shared chains, the container's chain, and the jumps to it (reference:
//! plugins/meta/portmap/portmap_iptables.go). An existing chain is never declared again, because `iptables-restore`
//! would flush it.

mod parts;

use crate::action::profile::Removal;
use crate::action::record::{Effect, Old};
use crate::action::{DeletePortMap, MapPorts, Mark, PortOwner};
use crate::machine::MachineError;
use crate::machine::rules as tables;
use crate::machine::rules::TableId;
use crate::machine::rules::iptables::{Edit, Family, Listing, Rule, Table};
use crate::value::length;
use parts::{
    DNAT, MASQUERADE, SETMARK, destination, entries, frame, frame_chains, is_entry, ports_of, rules,
};
use std::collections::BTreeSet;

pub use crate::machine::rules::iptables::failed;

/// The table of a family.
pub fn table(is_ipv4: bool) -> TableId {
    TableId::Iptables(Table::Nat, Family::new(is_ipv4))
}

/// Refuses names and texts that are not a single word in a script: they could add a line or a target.
pub fn check(ports: &MapPorts) -> Result<(), MachineError> {
    check_chain(&ports.chain)?;
    if let Some(Mark::Chain(chain)) = ports.masquerade.as_ref().map(|masquerade| &masquerade.mark) {
        check_chain(chain)?;
    }
    let texts =
        ports.conditions.iter().chain([&ports.comment]).chain(ports.mappings.iter().map(|m| &m.protocol));
    for text in texts {
        if text.chars().any(char::is_control) {
            return Err(MachineError::Conflict(format!("{text:?} is no word of a rule")));
        }
    }
    if let Some(word) = ports
        .conditions
        .iter()
        .find(|word| ["-j", "-g", "--jump", "--goto", "-t", "--table"].contains(&word.as_str()))
    {
        return Err(MachineError::Conflict(format!("{word:?} is no condition of a rule")));
    }
    Ok(())
}

/// Refuses a chain name that is not a single word in a script.
pub fn check_chain(chain: &str) -> Result<(), MachineError> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if chain.is_empty()
        || chain.len() > length::IPTABLES_CHAIN
        || chain.starts_with('-')
        || !chain.bytes().all(name)
    {
        return Err(MachineError::Conflict(format!("{chain:?} is no name of a chain")));
    }
    Ok(())
}

/// The edits that add what is missing in a listing.
pub fn add(ports: &MapPorts, now: &tables::Listing) -> Vec<tables::Edit> {
    now.iptables().map(|now| into_edits(addition(ports, now))).unwrap_or_default()
}

/// The edits that remove a container's chain with all its rules, and the jumps to it.
pub fn evict(map: &DeletePortMap, now: &tables::Listing) -> Vec<tables::Edit> {
    now.iptables().map(|now| into_edits(eviction(&map.chain, now))).unwrap_or_default()
}

/// The effect of edits, compared with the earlier listing.
pub fn effect(ports: &MapPorts, before: &tables::Listing, is_changed: bool) -> Effect {
    let there = there(ports, before);
    match (is_changed, there.is_empty()) {
        (false, _) => Effect::AlreadyThere,
        (true, true) => Effect::Created,
        (true, false) => Effect::Replaced(Old::Shared(there)),
    }
}

/// What is missing in a listing, one sentence for each rule.
pub fn missing(ports: &MapPorts, now: &tables::Listing) -> Vec<String> {
    now.iptables().map(|now| Edit::missing(&addition(ports, now))).unwrap_or_default()
}

/// The edits that remove a port map. They remove the container's chain if it has no other rules, and the shared parts
/// that `unmake` names and that nobody uses.
pub fn remove(ports: &MapPorts, unmake: &[String], now: &tables::Listing) -> Removal {
    let edits = now.iptables().map(|now| into_edits(deletion(ports, unmake, now))).unwrap_or_default();
    Removal { edits, look_again: false }
}

/// The names of what a port map shares with others: chains, their rules, and the jumps to them.
pub fn shared(ports: &MapPorts) -> Vec<String> {
    let frame = frame(ports);
    let rules = frame.iter().filter_map(Edit::rule).map(Rule::name);
    frame_chains(ports).into_iter().map(str::to_owned).chain(rules).collect()
}

/// The listed part of these.
pub fn there(ports: &MapPorts, now: &tables::Listing) -> Vec<String> {
    let Some(now) = now.iptables() else { return Vec::new() };
    let chains = frame_chains(ports).into_iter().filter(|chain| now.has_chain(chain)).map(str::to_owned);
    let frame = frame(ports);
    let rules = frame.iter().filter_map(Edit::rule).filter(|rule| now.has(rule)).map(Rule::name);
    chains.chain(rules).collect()
}

/// The owners of chains to which one of these ports leads, or any port. A chain without a jump to it shows no owner.
pub fn owners(now: &tables::Listing, is_ipv4: bool, ports: Option<&[u16]>) -> Vec<PortOwner> {
    let Some(now) = now.iptables() else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let jumps = now.rules.iter().filter(|rule| rule.chain == DNAT);
    let owners = jumps.filter_map(|rule| {
        let is_meant = ports.is_none_or(|ports| ports_of(rule).iter().any(|port| ports.contains(port)));
        let chain = rule.target().filter(|chain| chain.starts_with("CNI-DN-") && is_meant)?;
        let (network, container) = parse_comment(rule.comment()?)?;
        let is_new = seen.insert(chain);
        let address = now.rules.iter().filter(|rule| rule.chain == chain).find_map(destination);
        is_new.then(|| PortOwner {
            network: Some(network.to_owned()),
            container: container.to_owned(),
            address,
            map: DeletePortMap::iptables(is_ipv4, chain.to_owned()),
        })
    });
    owners.collect()
}

/// The network and the container in a comment. None if the comment was cut off.
fn parse_comment(comment: &str) -> Option<(&str, &str)> {
    comment.strip_prefix("dnat name: \"")?.strip_suffix('"')?.split_once("\" id: \"")
}

fn into_edits(edits: Vec<Edit>) -> Vec<tables::Edit> {
    edits.into_iter().map(tables::Edit::from).collect()
}

/// The edits, in order: chains, shared rules, the container's own rules, and the jumps to its chain.
fn addition(ports: &MapPorts, now: &Listing) -> Vec<Edit> {
    let chains = frame_chains(ports).into_iter().chain([ports.chain.as_str()]);
    let chains = chains.map(|chain| Edit::NewChain(chain.to_owned()));
    let has_entry = |entry: &Rule| now.rules.iter().any(|listed| is_entry(listed, entry));
    let entries = entries(ports).into_iter().filter(|entry| !has_entry(entry)).map(Edit::Append);
    let rules = rules(ports).into_iter().map(Edit::Append);
    let wanted = chains.chain(frame(ports)).chain(rules).filter(|edit| now.lacks(edit)).chain(entries);
    let mut edits: Vec<Edit> = Vec::new();
    for edit in wanted {
        if !edits.contains(&edit) {
            edits.push(edit);
        }
    }
    edits
}

fn eviction(chain: &str, now: &Listing) -> Vec<Edit> {
    let jumps = now.rules.iter().filter(|rule| rule.target() == Some(chain));
    let mut edits: Vec<Edit> = jumps.cloned().map(Edit::Delete).collect();
    if now.has_chain(chain) {
        edits.extend([Edit::Flush(chain.to_owned()), Edit::DeleteChain(chain.to_owned())]);
    }
    edits
}

fn deletion(ports: &MapPorts, unmake: &[String], now: &Listing) -> Vec<Edit> {
    let (own, jumps) = (rules(ports), entries(ports));
    let is_own = |listed: &&Rule| own.iter().any(|rule| rule.is_same(listed));
    let in_chain = || now.rules.iter().filter(|rule| rule.chain == ports.chain);
    // The rules of another interface of the container, which uses the same chain.
    let kept: Vec<&Rule> = in_chain().filter(|rule| !is_own(rule)).collect();
    let mut gone: Vec<&Rule> = Vec::new();
    let mut edits = Vec::new();
    if kept.iter().any(|rule| destination(rule).is_some()) {
        let still: Vec<u16> =
            kept.iter().filter(|rule| destination(rule).is_some()).flat_map(|rule| ports_of(rule)).collect();
        gone.extend(in_chain().filter(is_own).filter(|rule| {
            destination(rule).is_some() || !ports_of(rule).iter().any(|port| still.contains(port))
        }));
        let is_jump = |listed: &&Rule| {
            jumps.iter().any(|entry| is_entry(listed, entry))
                && !ports_of(listed).iter().any(|port| still.contains(port))
        };
        gone.extend(now.rules.iter().filter(is_jump));
        edits.extend(gone.iter().map(|rule| Edit::Delete((*rule).clone())));
    } else {
        edits.extend(eviction(&ports.chain, now));
        gone.extend(
            now.rules.iter().filter(|rule| rule.chain == ports.chain || rule.target() == Some(&ports.chain)),
        );
    }
    edits.extend(without_frame(now, &gone, ports, unmake));
    edits.sort_by_key(Edit::removal_order);
    edits
}

/// The edits that remove shared chains and rules that nobody uses once the rules `gone` are removed.
fn without_frame(now: &Listing, gone: &[&Rule], ports: &MapPorts, unmake: &[String]) -> Vec<Edit> {
    let left = || now.rules.iter().filter(|rule| !gone.contains(rule));
    let is_meant = |chain: &str| unmake.iter().any(|meant| meant == chain) && now.has_chain(chain);
    let is_marked = left().any(|rule| rule.target() == Some(SETMARK));
    let mut chains = Vec::new();
    if is_meant(DNAT) && !left().any(|rule| rule.chain == DNAT) {
        chains.push(DNAT);
    }
    chains.extend([SETMARK, MASQUERADE].into_iter().filter(|chain| is_meant(chain) && !is_marked));
    let mut edits = Vec::new();
    let delete = |rule: &Rule| Edit::Delete(rule.clone());
    // A shared rule of a chain that stays, because somebody else has rules in it.
    let is_led_to = left().any(|rule| rule.target().is_some_and(|target| target.starts_with("CNI-DN-")));
    let frame = frame(ports);
    let frame = frame.iter().filter_map(Edit::rule);
    for part in frame.filter(|part| unmake.contains(&part.name()) && !is_led_to) {
        let is_of_gone =
            |rule: &&Rule| chains.iter().any(|chain| rule.chain == *chain || rule.target() == Some(*chain));
        edits.extend(left().filter(|rule| part.is_same(rule) && !is_of_gone(rule)).map(delete));
    }
    for chain in &chains {
        edits.extend(left().filter(|rule| rule.target() == Some(*chain)).map(delete));
    }
    edits.extend(
        chains
            .iter()
            .flat_map(|chain| [Edit::Flush((*chain).to_owned()), Edit::DeleteChain((*chain).to_owned())]),
    );
    edits
}
