//! Ports of the host that lead to a container: shared chains, the container's chain, and the jumps to it (cni-behaviours, section
//! 3.12). All rules of a call are one transaction of a family; chains that are there are never declared again.

mod part;

use super::super::{Difference, Effect, MachineError, Outcome, Undone};
use super::change::change;
use super::part::Part;
use super::restore::{Family, IptablesError, Table, list};
use super::rule::{Listing, Rule};
use crate::action::{Action, PortOwner};
use crate::action::{DeletePortMap, MapPorts};
use part::{DNAT, MASQUERADE, SETMARK, entries, frame, rules};
use std::collections::BTreeSet;

pub use part::frame_chains;

/// Adds a port map and removes those that are in its way, in one transaction; tells which of the shared chains were there already.
pub fn add(ports: &MapPorts, stale: &[&DeletePortMap]) -> Outcome {
    if let Err(error) = validate(ports) {
        return Outcome::Failed(error);
    }
    match change(Table::Nat, Family::of(ports.address), None, |listing| addition(listing, ports, stale)) {
        Ok(effect) => Outcome::Done(effect),
        Err(error @ IptablesError::Killed(_)) => Outcome::Halfway(error.into_kernel_error()),
        Err(error) => Outcome::Failed(error.into_kernel_error()),
    }
}

/// Deletes a port map; the container's chain when nothing else of it is left, and of the shared ones those in `unmake` that nobody
/// uses.
pub fn delete(ports: &MapPorts, unmake: &[String]) -> Result<Undone, MachineError> {
    validate(ports)?;
    match change(Table::Nat, Family::of(ports.address), None, |listing| deletion(listing, ports, unmake)) {
        Ok(true) => Ok(Undone::Done),
        Ok(false) | Err(IptablesError::Missing(_)) => Ok(Undone::Gone),
        Err(error) => Err(error.into_kernel_error()),
    }
}

/// Deletes whatever is in a chain of port maps, and the jumps to it.
pub fn delete_chain(map: &DeletePortMap) -> Result<Undone, MachineError> {
    let family = if map.is_ipv4 { Family::V4 } else { Family::V6 };
    check_chain(&map.chain)?;
    let decide = |listing: &Listing| {
        let lines = eviction(listing, map);
        let touched = !lines.is_empty();
        (lines, touched)
    };
    match change(Table::Nat, family, None, decide) {
        Ok(true) => Ok(Undone::Done),
        Ok(false) | Err(IptablesError::Missing(_)) => Ok(Undone::Gone),
        Err(error) => Err(error.into_kernel_error()),
    }
}

/// What is missing, in one sentence for each rule.
pub fn verify(ports: &MapPorts) -> Vec<Difference> {
    match list(Family::of(ports.address)) {
        Ok(text) => {
            let listing = Listing::parse(&text);
            let parts = frame(ports).into_iter().chain(rules(ports)).filter(|part| !has(&listing, part));
            let jumps = entries(ports).into_iter().filter(|part| !has_entry(&listing, part));
            let gone = parts.chain(jumps).map(|part| format!("the rule `{}` is gone", part.line()));
            Difference::all(gone.collect(), &Action::MapPorts(ports.clone()))
        }
        Err(error) => vec![Difference::beyond(error.into_kernel_error().to_string())],
    }
}

/// Whose chains lead somewhere from one of these ports, or from any; a chain that nothing jumps to tells nobody. Besides, the
/// listing.
///
/// # Errors
/// What cannot be listed; without the program there is nothing.
pub fn owners(family: Family, ports: Option<&[u16]>) -> Result<(Vec<PortOwner>, String), MachineError> {
    let text = match list(family) {
        Ok(text) => text,
        Err(IptablesError::Missing(_)) => return Ok((Vec::new(), String::new())),
        Err(error) => return Err(error.into_kernel_error()),
    };
    let listing = Listing::parse(&text);
    let mut seen = BTreeSet::new();
    let jumps = listing.rules.iter().filter(|rule| rule.chain == DNAT);
    let owners = jumps.filter_map(|rule| {
        let is_meant = ports.is_none_or(|ports| ports_of(rule).iter().any(|port| ports.contains(port)));
        let chain = rule.target.clone().filter(|chain| chain.starts_with("CNI-DN-") && is_meant)?;
        let (network, container) = parse_comment(rule.comment.as_deref()?)?;
        let is_new = seen.insert(chain.clone());
        let address = listing.rules.iter().filter(|rule| rule.chain == chain).find_map(destination);
        is_new.then(|| PortOwner {
            network: Some(network.to_owned()),
            container: container.to_owned(),
            address,
            map: DeletePortMap::iptables(family == Family::V4, chain),
        })
    });
    Ok((owners.collect(), text))
}

/// Network and container of a comment that was not cut off.
fn parse_comment(comment: &str) -> Option<(&str, &str)> {
    comment.strip_prefix("dnat name: \"")?.strip_suffix('"')?.split_once("\" id: \"")
}

/// Where a rule of a container's chain leads.
fn destination(rule: &Rule) -> Option<std::net::IpAddr> {
    let place = rule.words.iter().position(|word| word == "--to-destination")?;
    let (address, _) = rule.words.get(place + 1)?.rsplit_once(':')?;
    address.trim_matches(['[', ']']).parse().ok()
}

/// The ports of the host in a rule.
fn ports_of(rule: &Rule) -> Vec<u16> {
    let words = rule.words.iter();
    let place = words.clone().position(|word| word == "--dports" || word == "--dport");
    let list = place.and_then(|place| rule.words.get(place + 1)).map(String::as_str).unwrap_or_default();
    list.split(',').filter_map(|port| port.parse().ok()).collect()
}

fn has(listing: &Listing, part: &Part) -> bool {
    listing.rules.iter().any(|rule| part.is(rule))
}

/// Whether a jump is there; what else it may depend on is written in one way and listed in another.
fn has_entry(listing: &Listing, part: &Part) -> bool {
    listing.rules.iter().any(|rule| is_entry(rule, part))
}

fn is_entry(rule: &Rule, part: &Part) -> bool {
    let after = |words: &[String], key: &str| {
        words.iter().position(|word| word == key).and_then(|place| words.get(place + 1)).cloned()
    };
    rule.chain == part.chain
        && ["-p", "--comment", "--dports", "-j"]
            .iter()
            .all(|key| after(&rule.words, key) == after(&part.words, key))
}

/// What a port map shares with others: chains, and the rules that lead to them and make them do something.
pub fn shared_by(ports: &MapPorts) -> Vec<String> {
    let chains = frame_chains(ports).into_iter().map(str::to_owned);
    chains.chain(frame(ports).iter().map(Part::name)).collect()
}

/// Which of it is in a listing.
pub fn there(text: &str, ports: &MapPorts) -> Vec<String> {
    of_shared(&Listing::parse(text), ports)
}

fn of_shared(listing: &Listing, ports: &MapPorts) -> Vec<String> {
    let is_there = |chain: &&str| listing.chains.iter().any(|there| there == chain);
    let chains = frame_chains(ports).into_iter().filter(is_there).map(str::to_owned);
    let parts = frame(ports);
    let parts = parts.iter().filter(|part| has(listing, part)).map(Part::name);
    chains.chain(parts).collect()
}

fn addition(listing: &Listing, ports: &MapPorts, stale: &[&DeletePortMap]) -> (Vec<String>, Effect) {
    let mut lines = Vec::new();
    let is_there = |chain: &str| listing.chains.iter().any(|there| there == chain);
    let chains = frame_chains(ports);
    for chain in chains.iter().copied().chain([ports.chain.as_str()]).filter(|chain| !is_there(chain)) {
        lines.push(format!("-N {chain}"));
    }
    for map in stale.iter().filter(|map| map.chain != ports.chain) {
        lines.extend(eviction(listing, map));
    }
    let evicted = !lines.is_empty();
    let mut push = |part: Part| {
        let line = part.line();
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    frame(ports).into_iter().filter(|part| !has(listing, part)).for_each(&mut push);
    entries(ports).into_iter().filter(|part| !has_entry(listing, part)).for_each(&mut push);
    rules(ports).into_iter().filter(|part| !has(listing, part)).for_each(&mut push);
    let there = of_shared(listing, ports);
    let effect = match (lines.is_empty() && !evicted, there.is_empty()) {
        (true, _) => Effect::AlreadyThere,
        (false, true) => Effect::Created,
        (false, false) => Effect::Replaced(there.join(" ")),
    };
    (lines, effect)
}

fn eviction(listing: &Listing, map: &DeletePortMap) -> Vec<String> {
    let chain = map.chain.as_str();
    let jumps = listing.rules.iter().filter(|rule| rule.target.as_deref() == Some(chain));
    let mut lines: Vec<String> = jumps.map(|rule| format!("-D {}", rule.line)).collect();
    if listing.chains.iter().any(|there| there == chain) {
        lines.extend([format!("-F {chain}"), format!("-X {chain}")]);
    }
    lines
}

/// The lines that delete a port map, and whether anything of it was there.
fn deletion(listing: &Listing, ports: &MapPorts, unmake: &[String]) -> (Vec<String>, bool) {
    let (own, jumps) = (rules(ports), entries(ports));
    let is_own = |rule: &&Rule| own.iter().any(|part| part.is(rule));
    let in_chain = || listing.rules.iter().filter(|rule| rule.chain == ports.chain);
    // Another interface of the container has the same chain.
    let kept: Vec<&Rule> = in_chain().filter(|rule| !is_own(rule)).collect();
    let mut gone: Vec<&Rule> = Vec::new();
    let mut lines = Vec::new();
    if kept.iter().any(|rule| destination(rule).is_some()) {
        let still: Vec<u16> =
            kept.iter().filter(|rule| destination(rule).is_some()).flat_map(|rule| ports_of(rule)).collect();
        gone.extend(in_chain().filter(is_own).filter(|rule| {
            destination(rule).is_some() || !ports_of(rule).iter().any(|port| still.contains(port))
        }));
        let is_jump = |rule: &&Rule| {
            jumps.iter().any(|part| is_entry(rule, part))
                && !ports_of(rule).iter().any(|port| still.contains(port))
        };
        gone.extend(listing.rules.iter().filter(is_jump));
        lines.extend(gone.iter().map(|rule| format!("-D {}", rule.line)));
    } else {
        let map = DeletePortMap::iptables(ports.address.is_ipv4(), ports.chain.clone());
        lines.extend(eviction(listing, &map));
        gone.extend(
            listing
                .rules
                .iter()
                .filter(|rule| rule.chain == ports.chain || rule.target.as_deref() == Some(&ports.chain)),
        );
    }
    let touched = !lines.is_empty();
    lines.extend(without_frame(listing, &gone, ports, unmake));
    // A chain goes when nothing leads to it: where another one is flushed after that, the jumps of that still do.
    lines.sort_by_key(|line| ["-D", "-F", "-X"].iter().position(|verb| line.starts_with(verb)));
    (lines, touched)
}

/// The lines that delete shared chains and rules which nobody uses, once some rules are gone.
fn without_frame(listing: &Listing, gone: &[&Rule], ports: &MapPorts, unmake: &[String]) -> Vec<String> {
    let stays = |rule: &&Rule| !gone.contains(rule);
    let left = || listing.rules.iter().filter(stays);
    let is_meant = |chain: &str| {
        unmake.iter().any(|meant| meant == chain) && listing.chains.iter().any(|there| there == chain)
    };
    let is_marked = left().any(|rule| rule.target.as_deref() == Some(SETMARK));
    let mut chains = Vec::new();
    if is_meant(DNAT) && !left().any(|rule| rule.chain == DNAT) {
        chains.push(DNAT);
    }
    chains.extend([SETMARK, MASQUERADE].into_iter().filter(|chain| is_meant(chain) && !is_marked));
    let mut lines = Vec::new();
    // A rule of a chain that stays, since somebody has others in it.
    let is_led_to =
        left().any(|rule| rule.target.as_deref().is_some_and(|target| target.starts_with("CNI-DN-")));
    for part in frame(ports).iter().filter(|part| unmake.contains(&part.name()) && !is_led_to) {
        let is_of_gone = |rule: &&Rule| {
            chains.iter().any(|chain| rule.chain == *chain || rule.target.as_deref() == Some(chain))
        };
        let meant = left().filter(|rule| part.is(rule) && !is_of_gone(rule));
        lines.extend(meant.map(|rule| format!("-D {}", rule.line)));
    }
    for chain in &chains {
        let jumps = left().filter(|rule| rule.target.as_deref() == Some(chain));
        lines.extend(jumps.map(|rule| format!("-D {}", rule.line)));
    }
    lines.extend(chains.iter().flat_map(|chain| [format!("-F {chain}"), format!("-X {chain}")]));
    lines
}

fn check_chain(chain: &str) -> Result<(), MachineError> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if chain.is_empty() || chain.len() > 28 || chain.starts_with('-') || !chain.bytes().all(name) {
        return Err(MachineError::Conflict(format!("{chain:?} is no name of a chain")));
    }
    Ok(())
}

/// What is written into a script must stay one word: nobody gets a line, or a command, of his own in.
fn validate(ports: &MapPorts) -> Result<(), MachineError> {
    check_chain(&ports.chain)?;
    if let Some(crate::action::Mark::Chain(chain)) = ports.masquerade.as_ref().map(|m| &m.mark) {
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

#[cfg(test)]
mod tests;
