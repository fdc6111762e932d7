//! Ports of the host that lead to a container, in a table of each family (cni-behaviours, section 3.12).

mod rule;

use super::super::{Difference, Effect, MachineError, Outcome, Undone};
use super::process::{NftError, Script, TableName, change, list};
use super::table::{Rule, Table};
use crate::action::{Action, PortOwner};
use crate::action::{DeletePortMap, MapPorts};
use crate::value::Backend;
use rule::{CHAINS, HOSTPORTS, MASQUERADING, Part, destination, frame, parts, port, validate};
use std::collections::BTreeSet;

/// The table, by which it is told in a journal that it was there.
pub const TABLE: &str = "cni_hostport";

/// The chains that have rules of containers.
const FILLED: [&str; 3] = [HOSTPORTS, "hostip_hostports", MASQUERADING];

fn table(is_ipv4: bool) -> TableName {
    TableName(if is_ipv4 { "ip" } else { "ip6" }, TABLE)
}

/// Adds a port map and removes those that are in its way, in one transaction.
pub fn add(ports: &MapPorts, stale: &[&DeletePortMap]) -> Outcome {
    if let Err(error) = validate(ports) {
        return Outcome::Failed(error);
    }
    match change(table(ports.address.is_ipv4()), |listed| addition(listed, ports, stale)) {
        Ok(effect) => Outcome::Done(effect),
        Err(error @ NftError::Killed(_)) => Outcome::Halfway(failed(error)),
        Err(error) => Outcome::Failed(failed(error)),
    }
}

/// Deletes a port map; the table too, if `unmake` names it and nothing of anybody is left in it.
pub fn delete(ports: &MapPorts, unmake: &[String]) -> Result<Undone, MachineError> {
    let (is_ipv4, own) = (ports.address.is_ipv4(), parts(ports));
    delete_rules(is_ipv4, unmake.iter().any(|name| name == TABLE), |rule| {
        own.iter().any(|part| part.is(rule))
    })
}

/// Deletes every rule with a comment.
pub fn delete_all(map: &DeletePortMap) -> Result<Undone, MachineError> {
    delete_rules(map.is_ipv4, false, |rule| is_of(rule, &map.chain))
}

/// Whether a rule is of that comment.
fn is_of(rule: &Rule, comment: &str) -> bool {
    FILLED.contains(&rule.chain.as_str()) && rule.comment.as_deref() == Some(comment)
}

fn delete_rules(
    is_ipv4: bool,
    whole: bool,
    is_meant: impl Fn(&Rule) -> bool,
) -> Result<Undone, MachineError> {
    let name = table(is_ipv4);
    let decide = |listed: &Table| {
        let (gone, kept): (Vec<&Rule>, Vec<&Rule>) = listed.rules.iter().partition(|rule| is_meant(rule));
        let is_used = listed.has_others
            || kept.iter().any(|rule| FILLED.contains(&rule.chain.as_str()))
            || listed.chains.iter().any(|chain| !CHAINS.contains(&chain.as_str()));
        let touched = !gone.is_empty();
        if whole && listed.exists && !is_used {
            return (Script::Text(format!("delete table {} {}\n", name.0, name.1)), touched);
        }
        let line = |rule: &&Rule| {
            format!("delete rule {} {} {} handle {}\n", name.0, name.1, rule.chain, rule.handle)
        };
        let text: String = gone.iter().map(line).collect();
        (if text.is_empty() { Script::Empty } else { Script::Text(text) }, touched)
    };
    match change(name, decide) {
        Ok(true) => Ok(Undone::Done),
        Ok(false) | Err(NftError::Missing) => Ok(Undone::Gone),
        Err(error) => Err(failed(error)),
    }
}

/// What is missing, in one sentence for each rule.
pub fn verify(ports: &MapPorts) -> Vec<Difference> {
    match list(table(ports.address.is_ipv4())) {
        Ok(listed) => {
            let all = frame(ports).into_iter().chain(parts(ports));
            let gone = all.filter(|part| !listed.rules.iter().any(|rule| part.is(rule)));
            let texts = gone.map(|part| format!("the rule `{}` is gone", part.line())).collect();
            Difference::all(texts, &Action::MapPorts(ports.clone()))
        }
        Err(error) => vec![Difference::beyond(failed(error).to_string())],
    }
}

/// Whose rules lead somewhere from one of these ports, or from any. Besides, the table's name if there is one.
///
/// # Errors
/// What cannot be listed; without the program there is nothing.
pub fn owners(is_ipv4: bool, ports: Option<&[u16]>) -> Result<(Vec<PortOwner>, String), MachineError> {
    let listed = match list(table(is_ipv4)) {
        Ok(listed) => listed,
        Err(NftError::Missing) => return Ok((Vec::new(), String::new())),
        Err(error) => return Err(failed(error)),
    };
    let mut seen = BTreeSet::new();
    let rules = listed
        .rules_of(HOSTPORTS)
        .filter(|rule| ports.is_none_or(|ports| port(rule).is_some_and(|port| ports.contains(&port))));
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
    Ok((owners.collect(), if listed.exists { TABLE } else { "" }.to_owned()))
}

fn addition(listed: &Table, ports: &MapPorts, stale: &[&DeletePortMap]) -> (Script, Effect) {
    let name = table(ports.address.is_ipv4());
    let is_missing = |part: &Part| !listed.rules.iter().any(|rule| part.is(rule));
    let mut text = String::new();
    let chains = rule::chains(ports);
    if !listed.exists || chains.iter().any(|(chain, _)| !listed.has_chain(chain)) {
        text += &format!("add table {} {} {{ comment \"CNI portmap plugin\" ; }}\n", name.0, name.1);
        for (chain, declaration) in &chains {
            text += &format!("add chain {} {} {chain}{declaration}\n", name.0, name.1);
        }
    }
    for rule in listed
        .rules
        .iter()
        .filter(|rule| stale.iter().any(|map| is_of(rule, &map.chain) && map.chain != ports.comment))
    {
        text += &format!("delete rule {} {} {} handle {}\n", name.0, name.1, rule.chain, rule.handle);
    }
    let missing = frame(ports).into_iter().chain(parts(ports)).filter(is_missing);
    missing.for_each(|part| text += &format!("{}\n", part.line()));
    let effect = match (text.is_empty(), listed.exists) {
        (true, _) => Effect::AlreadyThere,
        (false, false) => Effect::Created,
        (false, true) => Effect::Replaced(TABLE.to_owned()),
    };
    (if text.is_empty() { Script::Empty } else { Script::Text(text) }, effect)
}

/// In the words of the reference.
fn failed(error: NftError) -> MachineError {
    error.into_kernel_error(
        "could not find nftables binary",
        "unable to set up nftables rules for port mappings",
    )
}

#[cfg(test)]
mod tests;
