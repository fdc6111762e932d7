//! The chain of a container, its rules and the jump to it (cni-behaviours, section 2.9).

mod part;

use super::super::{Difference, Effect, MachineError, Outcome, Undone};
use super::nat::{list, restore};
use super::restore::{Family, IptablesError};
use super::rule::{Listing, Rule};
use crate::action::Action;
use crate::action::Masquerade;
use ipnetwork::IpNetwork;
use part::{Part, network, parts};
use std::collections::BTreeSet;

/// A transaction that somebody else's made impossible is made again from a new listing, so many times in all.
const MAX_TRIES: usize = 4;

/// Why the others of a transaction were not done.
const WITH_IT: &str = "the transaction that it is part of failed";

/// Adds the rules of all actions, as one transaction per family; one outcome for each.
///
/// A new chain takes one transaction and no listing. Only when the chain exists (another interface of the container, or the reference made
/// it) is it listed, and what is missing is sent.
pub fn add(actions: &[&Masquerade]) -> Vec<Outcome> {
    let mut failed = false;
    each_family(actions, |family, members| {
        if failed {
            return members.iter().map(|_| Outcome::NotTried).collect();
        }
        match add_family(family, members) {
            Ok(effects) => effects.into_iter().map(Outcome::Done).collect(),
            Err(error) => {
                failed = true;
                match error {
                    IptablesError::Killed(_) => all_failed(error, members.len(), Outcome::Halfway, || {
                        Outcome::Halfway(MachineError::Conflict(WITH_IT.to_owned()))
                    }),
                    _ => all_failed(error, members.len(), Outcome::Failed, || Outcome::NotTried),
                }
            }
        }
    })
}

/// Deletes the rules of all actions, as one transaction per family, from one listing; one result for each.
pub fn delete(actions: &[&Masquerade]) -> Vec<Undone> {
    each_family(actions, |family, members| match delete_family(family, members) {
        Ok(undone) => undone,
        Err(error) => all_failed(error, members.len(), Undone::Failed, || Undone::Left(WITH_IT.to_owned())),
    })
}

/// What is missing of each action, in one sentence for each rule.
pub fn verify(actions: &[&Masquerade]) -> Vec<Vec<Difference>> {
    each_family(actions, |family, members| match list(family) {
        Ok(text) => {
            let listing = Listing::parse(&text);
            let missing = |action: &&Masquerade| {
                let parts = parts(action).into_iter();
                let gone = parts.filter(|part| !listing.rules.iter().any(|rule| part.is(rule)));
                let texts = gone.map(|part| format!("the rule `{}` is gone", part.line())).collect();
                Difference::all(texts, &Action::Masquerade((*action).clone()))
            };
            members.iter().map(missing).collect()
        }
        Err(error) => {
            let mut differences = vec![Vec::new(); members.len()];
            let text = error.into_kernel_error().to_string();
            differences.first_mut().into_iter().for_each(|of| of.push(Difference::beyond(text.as_str())));
            differences
        }
    })
}

/// What can be listed of both families.
fn listings(unread: &mut Vec<MachineError>) -> Vec<(Family, Listing)> {
    let mut listed = |family| match list(family) {
        Ok(text) => Some((family, Listing::parse(&text))),
        // Without the program there are no rules of ours.
        Err(IptablesError::Missing(_)) => None,
        Err(error) => {
            unread.push(error.into_kernel_error());
            None
        }
    };
    Family::ALL.into_iter().filter_map(&mut listed).collect()
}

/// The chain's jumps with this comment, as actions that [`delete`] undoes; none when there are no rules.
///
/// A chain to which nothing jumps is one of them, with the address 0.0.0.0 or ::. Why something may be missing is added to
/// `unread`.
pub fn find(chain: &str, comment: &str, unread: &mut Vec<MachineError>) -> Vec<Masquerade> {
    let mut found = Vec::new();
    for (family, listing) in listings(unread) {
        found.extend(jumps(&listing, chain, comment));
        let is_used = listing.rules.iter().any(|rule| rule.target.as_deref() == Some(chain));
        if !is_used && listing.chains.iter().any(|there| there == chain) {
            let address = IpNetwork::from(family.unspecified());
            found.push(Masquerade { address, chain: chain.to_owned(), comment: comment.to_owned() });
        }
    }
    found
}

/// The rules of a network, each with the ID of the container in its comment, as actions that [`delete`] undoes.
///
/// A chain to which nothing jumps is one of them, with the address 0.0.0.0 or :: if it has none. Why something
/// may be missing is added to `unread`.
pub fn of_network(network: &str, unread: &mut Vec<MachineError>) -> Vec<(String, Masquerade)> {
    let mut found = Vec::new();
    for (family, listing) in listings(unread) {
        for chain in listing.chains.iter().filter(|chain| chain.starts_with("CNI-")) {
            let concerns =
                |rule: &&Rule| rule.chain == *chain || rule.target.as_deref() == Some(chain.as_str());
            let comments = listing.rules.iter().filter(concerns).filter_map(|rule| rule.comment.as_deref());
            let comments: BTreeSet<&str> =
                comments.filter(|text| container(text, network).is_some()).collect();
            for comment in comments {
                let Some(id) = container(comment, network) else { continue };
                let mut rules = jumps(&listing, chain, comment);
                if rules.is_empty() {
                    let accepted = listing.rules.iter().filter(|rule| rule.chain == *chain);
                    let address = accepted.filter_map(|rule| rule.destination).next();
                    let address = address.unwrap_or_else(|| IpNetwork::from(family.unspecified()));
                    rules.push(Masquerade { address, chain: chain.clone(), comment: comment.to_owned() });
                }
                found.extend(rules.into_iter().map(|rule| (id.to_owned(), rule)));
            }
        }
    }
    found
}

/// The container in a comment, if the rest of it is this network's ([`derive::comment`](crate::value::derive::comment)).
fn container<'a>(comment: &'a str, network: &str) -> Option<&'a str> {
    comment.strip_prefix(&format!("name: \"{network}\" id: \""))?.strip_suffix('"')
}

fn jumps(listing: &Listing, chain: &str, comment: &str) -> Vec<Masquerade> {
    let ours = |rule: &&Rule| rule.comment.as_deref() == Some(comment);
    let targets = |rule: &&Rule| rule.target.as_deref() == Some(chain);
    let jumps = listing.rules.iter().filter(ours).filter(targets).filter_map(|jump| {
        let source = jump.source?;
        let networks = listing.rules.iter().filter(ours).filter(|rule| rule.chain == chain);
        let network = networks.filter_map(|rule| rule.destination).find(|n| n.contains(source.ip()));
        let prefix = network.map_or(source.prefix(), |network| network.prefix());
        let address = IpNetwork::new(source.ip(), prefix).ok()?;
        Some(Masquerade { address, chain: chain.to_owned(), comment: comment.to_owned() })
    });
    jumps.collect()
}

fn add_family(family: Family, actions: &[&Masquerade]) -> Result<Vec<Effect>, IptablesError> {
    for action in actions {
        validate(action).map_err(IptablesError::Failed)?;
    }
    let mut refusal = match restore(family, &lines(actions, &Listing::default())) {
        Ok(()) => return Ok(vec![Effect::Created; actions.len()]),
        Err(IptablesError::Refused(error)) => error,
        Err(error) => return Err(error),
    };
    let mut seen = BTreeSet::new();
    for _ in 1..MAX_TRIES {
        let text = list(family)?;
        let listing = Listing::parse(&text);
        seen.insert(text);
        let missing = lines(actions, &listing);
        if !missing.is_empty() {
            match restore(family, &missing) {
                Ok(()) => {}
                Err(IptablesError::Refused(error)) => {
                    refusal = error;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        let is_there = |part: &Part<'_>| listing.rules.iter().any(|rule| part.is(rule));
        let effect = |action: &&Masquerade| {
            if parts(action).iter().all(is_there) { Effect::AlreadyThere } else { Effect::Created }
        };
        return Ok(actions.iter().map(effect).collect());
    }
    Err(worn_out(refusal, seen.len()))
}

/// The error when no try succeeded, of a table that looked so many different ways meanwhile.
fn worn_out(refusal: MachineError, looks: usize) -> IptablesError {
    if looks > 1 {
        return IptablesError::Failed(MachineError::Changed(refusal.to_string()));
    }
    IptablesError::Refused(refusal)
}

/// The lines that make what a listing lacks.
fn lines(actions: &[&Masquerade], listing: &Listing) -> Vec<String> {
    let chains: BTreeSet<&str> = actions.iter().map(|action| action.chain.as_str()).collect();
    let absent = |chain: &&&str| !listing.chains.iter().any(|there| there == **chain);
    let mut lines: Vec<String> = chains.iter().filter(absent).map(|chain| format!("-N {chain}")).collect();
    let mut push = |line: String| {
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    // All networks come before the rule that masquerades, also in a chain that has it already.
    for part in 0..3 {
        for part in actions.iter().filter_map(|action| parts(action).into_iter().nth(part)) {
            if listing.rules.iter().any(|rule| part.is(rule)) {
                continue;
            }
            push(part.line());
        }
    }
    lines
}

fn delete_family(family: Family, actions: &[&Masquerade]) -> Result<Vec<Undone>, IptablesError> {
    for action in actions {
        validate(action).map_err(IptablesError::Failed)?;
    }
    let mut seen = BTreeSet::new();
    let mut tries = 0;
    let mut is_confirmed = false;
    let mut all_touched = vec![false; actions.len()];
    loop {
        let text = list(family)?;
        let (lines, touched) = deletion(&Listing::parse(&text), actions);
        seen.insert(text);
        if touched.contains(&false) && !is_confirmed {
            // `iptables -S` leaves out what it cannot get from the kernel, and succeeds: that there is nothing, it has to say twice.
            is_confirmed = true;
            continue;
        }
        tries += 1;
        let result = if lines.is_empty() { Ok(()) } else { restore(family, &lines) };
        match result {
            Ok(()) => {
                all_touched.iter_mut().zip(touched).for_each(|(all, now)| *all |= now);
                let is_gone =
                    |action: &&Masquerade| lines.iter().any(|line| *line == format!("-X {}", action.chain));
                // Of two interfaces that leave a chain at once each sees the other's jump: who looks last removes the chain.
                if !lines.is_empty() && !actions.iter().all(is_gone) && tries < MAX_TRIES {
                    is_confirmed = true;
                    continue;
                }
                let undone = |touched| if touched { Undone::Done } else { Undone::Gone };
                return Ok(all_touched.into_iter().map(undone).collect());
            }
            Err(IptablesError::Refused(_)) if tries < MAX_TRIES => {}
            Err(IptablesError::Refused(refusal)) => return Err(worn_out(refusal, seen.len())),
            Err(error) => return Err(error),
        }
    }
}

/// The lines that delete what is there of the actions, and for each whether there was anything.
fn deletion(listing: &Listing, actions: &[&Masquerade]) -> (Vec<String>, Vec<bool>) {
    let mut doomed: BTreeSet<usize> = BTreeSet::new();
    let mut touched = vec![false; actions.len()];
    let doom = |touched: &mut bool, doomed: &mut BTreeSet<usize>, parts: &[Part<'_>]| {
        let rules = listing.rules.iter().enumerate();
        let found = rules.filter(|(_, rule)| parts.iter().any(|part| part.is(rule))).map(|(index, _)| index);
        let before = doomed.len();
        doomed.extend(found);
        *touched |= doomed.len() > before;
    };
    for (action, touched) in actions.iter().zip(&mut touched) {
        // With a prefix length: as old versions of the reference made it.
        let legacy = Part::Jump(action, network(action.address));
        doom(touched, &mut doomed, &[Part::jump(action), legacy]);
    }

    let stays = |doomed: &BTreeSet<usize>, index: &usize| !doomed.contains(index);
    let mut emptied: BTreeSet<&str> = BTreeSet::new();
    for (action, touched) in actions.iter().zip(&mut touched) {
        let rules = listing.rules.iter().enumerate().filter(|(index, _)| stays(&doomed, index));
        let target = Some(action.chain.as_str());
        let jumps: Vec<&Rule> =
            rules.map(|(_, rule)| rule).filter(|r| r.target.as_deref() == target).collect();
        if jumps.is_empty() {
            let chain = listing.chains.iter().find(|chain| **chain == action.chain);
            *touched |= chain.is_some();
            emptied.extend(chain.map(String::as_str));
            continue;
        }
        // Another interface of the container uses the chain, or another container: it keeps what it needs.
        let ours = jumps.iter().filter(|rule| rule.comment.as_deref() == Some(&action.comment));
        let sources: Vec<IpNetwork> = ours.filter_map(|rule| rule.source).collect();
        let network = network(action.address);
        if !sources.iter().any(|source| network.contains(source.ip())) {
            doom(touched, &mut doomed, &[Part::Accept(action)]);
        }
        if sources.is_empty() {
            doom(touched, &mut doomed, &[Part::Masquerade(action)]);
        }
    }

    let rules = doomed.iter().filter_map(|index| listing.rules.get(*index));
    let outside = rules.filter(|rule| !emptied.contains(rule.chain.as_str()));
    let mut lines: Vec<String> = outside.map(|rule| format!("-D {}", rule.line)).collect();
    for chain in emptied {
        lines.extend([format!("-F {chain}"), format!("-X {chain}")]);
    }
    (lines, touched)
}

/// What is written into a script must stay one word: nobody gets a line of his own in.
fn validate(action: &Masquerade) -> Result<(), MachineError> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if action.chain.is_empty() || action.chain.len() > 28 || !action.chain.bytes().all(name) {
        return Err(MachineError::Conflict(format!("{:?} is no name of a chain", action.chain)));
    }
    if action.comment.chars().any(char::is_control) {
        return Err(MachineError::Conflict(format!("{:?} is no comment of a rule", action.comment)));
    }
    Ok(())
}

fn of_family<'a>(actions: &[&'a Masquerade], family: Family) -> impl Iterator<Item = &'a Masquerade> {
    actions.iter().copied().filter(move |action| Family::of(action.address) == family)
}

/// Runs a transaction for each family that occurs, and puts the results into the order of the actions.
fn each_family<T>(actions: &[&Masquerade], mut run: impl FnMut(Family, &[&Masquerade]) -> Vec<T>) -> Vec<T> {
    let mut results = Family::ALL.map(|family| {
        let members: Vec<&Masquerade> = of_family(actions, family).collect();
        let results = if members.is_empty() { Vec::new() } else { run(family, &members) };
        results.into_iter()
    });
    let [v4, v6] = &mut results;
    let pick = |action: &&Masquerade| if action.address.is_ipv4() { v4.next() } else { v6.next() };
    actions.iter().filter_map(pick).collect()
}

/// The error for the first of a transaction; the others fell with it.
fn all_failed<T>(
    error: IptablesError,
    count: usize,
    first: fn(MachineError) -> T,
    other: impl FnMut() -> T,
) -> Vec<T> {
    let others = std::iter::repeat_with(other).take(count.saturating_sub(1));
    std::iter::once(first(error.into_kernel_error())).chain(others).collect()
}

#[cfg(test)]
mod tests;
