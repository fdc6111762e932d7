//! What the host passes on: chains that all containers share, and the rules of each (cni-behaviours, section 3.14). All rules of a call are
//! one transaction of a family; chains that are there are never declared again.

pub mod part;

use super::super::{Difference, Effect, MachineError, Outcome, Undone};
use super::change::change;
use super::part::Part;
use super::restore::{Family, IptablesError, Table, list_table};
use super::rule::{Listing, Rule};
use crate::action::Action;
use crate::action::FilterRule;
use part::{ALLOWED, Shared, chains, mark, own, shared};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The administrator's chain, unless a configuration names another; no rule of a container tells it.
const ADMIN: &str = "CNI-ADMIN";

/// The table as it is now, for [`add`] and [`there`].
pub fn listing(family: Family) -> Result<String, MachineError> {
    list_table(Table::Filter, family).map_err(IptablesError::into_kernel_error)
}

/// What a rule shares with others: chains, and what isolates a bridge.
pub fn shared_by(rule: &FilterRule) -> Vec<String> {
    let frame = frame(rule).into_iter().map(|shared| shared.part.name());
    chains(rule).into_iter().map(str::to_owned).chain(frame).chain(mark(rule)).collect()
}

/// The rules that lead to shared chains; those of a bridge have a name of their own.
fn frame(rule: &FilterRule) -> Vec<Shared> {
    let all = chains(rule);
    shared(rule).into_iter().filter(|shared| all.contains(&shared.with.as_str())).collect()
}

/// Which of it is in a listing.
pub fn there(text: &str, rule: &FilterRule) -> Vec<String> {
    of_shared(&Listing::parse(text), rule)
}

/// Adds rules of one family, as one transaction; one outcome for each.
pub fn add(family: Family, rules: &[&FilterRule], listed: Option<String>) -> Vec<Outcome> {
    if let Some(error) = rules.iter().find_map(|rule| validate(rule).err()) {
        return vec![Outcome::Failed(error)];
    }
    match change(Table::Filter, family, listed, |listing| addition(listing, rules)) {
        Ok(effects) => effects.into_iter().map(Outcome::Done).collect(),
        Err(error @ IptablesError::Killed(_)) => vec![Outcome::Halfway(error.into_kernel_error())],
        Err(error) => vec![Outcome::Failed(error.into_kernel_error())],
    }
}

/// Deletes the rules of a container, and of what it shares with others those in `unmake` that nobody uses.
pub fn delete(rule: &FilterRule, unmake: &[String]) -> Result<Undone, MachineError> {
    validate(rule)?;
    let Some(family) = family(rule) else { return Ok(Undone::Gone) };
    match change(Table::Filter, family, None, |listing| deletion(listing, rule, unmake)) {
        Ok(true) => Ok(Undone::Done),
        Ok(false) | Err(IptablesError::Missing(_)) => Ok(Undone::Gone),
        Err(error) => Err(error.into_kernel_error()),
    }
}

/// What is missing, in one sentence for each rule.
pub fn verify(rule: &FilterRule) -> Vec<Difference> {
    let Some(family) = family(rule) else { return Vec::new() };
    match listing(family) {
        Ok(text) => {
            let listing = Listing::parse(&text);
            let shared = shared(rule).into_iter().filter(|part| !has_shared(&listing, part));
            let own = own(rule).into_iter().filter(|part| !listing.rules.iter().any(|rule| part.is(rule)));
            let gone = shared.map(|shared| shared.part).chain(own);
            let texts = gone.map(|part| format!("the rule `{}` is gone", part.line()));
            Difference::all(texts.collect(), &Action::Filter(rule.clone()))
        }
        Err(error) => vec![Difference::beyond(error.to_string())],
    }
}

/// Which of these addresses' packets pass. Why something may be missing is added to `unread`.
pub fn allowed(addresses: &[IpAddr], unread: &mut Vec<MachineError>) -> Vec<FilterRule> {
    let mut found = Vec::new();
    for family in Family::ALL {
        let of_family = |address: &&IpAddr| Family::of((**address).into()) == family;
        let mut rules = addresses
            .iter()
            .filter(of_family)
            .map(|address| FilterRule::AllowForward { address: *address, admin_chain: ADMIN.to_owned() });
        let Some(first) = rules.next() else { continue };
        match list_table(Table::Filter, family) {
            Ok(text) => {
                let listing = Listing::parse(&text);
                let is_there = |rule: &FilterRule| {
                    own(rule).iter().any(|part| listing.rules.iter().any(|listed| part.is(listed)))
                };
                found.extend(std::iter::once(first).chain(rules).filter(is_there));
            }
            Err(IptablesError::Missing(_)) => {}
            Err(error) => unread.push(error.into_kernel_error()),
        }
    }
    found
}

/// The family of a rule of iptables.
pub fn family(rule: &FilterRule) -> Option<Family> {
    rule.iptables().map(|is_ipv4| if is_ipv4 { Family::V4 } else { Family::V6 })
}

fn of_shared(listing: &Listing, rule: &FilterRule) -> Vec<String> {
    let is_there = |chain: &&str| listing.chains.iter().any(|there| there == chain);
    let mark = mark(rule).filter(|mark| {
        shared(rule).iter().filter(|shared| shared.with == *mark).all(|part| has_shared(listing, part))
    });
    let frame =
        frame(rule).into_iter().filter(|part| has_shared(listing, part)).map(|shared| shared.part.name());
    chains(rule).into_iter().filter(is_there).map(str::to_owned).chain(frame).chain(mark).collect()
}

fn has_shared(listing: &Listing, part: &Shared) -> bool {
    listing.rules.iter().any(|rule| part.is(rule))
}

fn addition(listing: &Listing, rules: &[&FilterRule]) -> (Vec<String>, Vec<Effect>) {
    let mut lines: Vec<String> = Vec::new();
    let mut effects = Vec::new();
    for rule in rules {
        let mut is_changed = false;
        let mut push = |line: String| {
            if !lines.contains(&line) {
                is_changed = true;
                lines.push(line);
            }
        };
        let is_there = |chain: &&str| listing.chains.iter().any(|there| there == chain);
        chains(rule)
            .into_iter()
            .filter(|chain| !is_there(chain))
            .for_each(|chain| push(format!("-N {chain}")));
        let missing =
            shared(rule).into_iter().filter(|part| !has_shared(listing, part)).map(|shared| shared.part);
        let own = own(rule).into_iter().filter(|part| !listing.rules.iter().any(|rule| part.is(rule)));
        missing.chain(own).for_each(|part| push(part.line()));
        let there = of_shared(listing, rule);
        effects.push(match (is_changed, there.is_empty()) {
            (false, _) => Effect::AlreadyThere,
            (true, true) => Effect::Created,
            (true, false) => Effect::Replaced(there.join(" ")),
        });
    }
    (lines, effects)
}

/// The lines that delete a rule, and whether anything of it was there.
fn deletion(listing: &Listing, rule: &FilterRule, unmake: &[String]) -> (Vec<String>, bool) {
    let is_unmade = |name: &str| unmake.iter().any(|unmade| unmade == name);
    let (own, shared) = (own(rule), shared(rule));
    let mut doomed: BTreeSet<usize> = BTreeSet::new();
    let mut doom = |is_meant: &dyn Fn(&Rule) -> bool| {
        let found = listing.rules.iter().enumerate().filter(|(_, rule)| is_meant(rule));
        doomed.extend(found.map(|(index, _)| index));
    };
    doom(&|listed| own.iter().any(|part: &Part| part.is(listed)));
    let touched = !doomed.is_empty();
    // What isolates a bridge goes first, then chains that are left with nothing of anybody's.
    let marked = mark(rule).filter(|mark| is_unmade(mark));
    doomed.extend(listing.rules.iter().enumerate().filter_map(|(index, listed)| {
        let of_mark = |part: &&Shared| marked.as_ref() == Some(&part.with);
        shared.iter().filter(of_mark).any(|part| part.is(listed)).then_some(index)
    }));
    let all = chains(rule);
    let is_kept = |chain: &str, doomed: &BTreeSet<usize>| {
        listing.rules.iter().enumerate().any(|(index, listed)| {
            let is_frame = || shared.iter().any(|part| all.contains(&part.with.as_str()) && part.is(listed));
            listed.chain == chain && !doomed.contains(&index) && !is_frame()
        })
    };
    // The administrator's rules, and other containers', keep their chain; a stage keeps the other one, and containers the chain of the
    // administrator that came with theirs.
    let is_pair = matches!(rule, FilterRule::Isolate { .. });
    let is_any_kept = all.iter().any(|chain| (is_pair || *chain == ALLOWED) && is_kept(chain, &doomed));
    let is_all_kept = is_any_kept && (is_pair || is_unmade(ALLOWED));
    let gone: Vec<&str> = all
        .iter()
        .copied()
        .filter(|chain| is_unmade(chain) && listing.chains.iter().any(|there| there == chain))
        .filter(|chain| !is_all_kept && !is_kept(chain, &doomed))
        .collect();
    let leads_to_gone = |listed: &Rule| listed.target.as_deref().is_some_and(|target| gone.contains(&target));
    let is_foreign = |listed: &Rule| leads_to_gone(listed) && !shared.iter().any(|part| part.is(listed));
    let gone: Vec<&str> = if listing.rules.iter().any(is_foreign) && !is_pair { Vec::new() } else { gone };
    // Of a chain that stays what leads to it goes, if that was made and no container has use for it.
    if !is_any_kept {
        doomed.extend(listing.rules.iter().enumerate().filter_map(|(index, listed)| {
            let of_frame = |part: &Shared| is_unmade(&part.part.name()) && part.is(listed);
            frame(rule).iter().any(of_frame).then_some(index)
        }));
    }
    let mut lines: Vec<String> = Vec::new();
    for (index, listed) in listing.rules.iter().enumerate() {
        let is_frame = listed.target.as_deref().is_some_and(|target| gone.contains(&target));
        if (doomed.contains(&index) || is_frame) && !gone.contains(&listed.chain.as_str()) {
            lines.push(format!("-D {}", listed.line));
        }
    }
    lines.extend(gone.iter().map(|chain| format!("-F {chain}")));
    lines.extend(gone.iter().map(|chain| format!("-X {chain}")));
    (lines, touched)
}

/// What is written into a script must stay one word, and no chain is one of the kernel's own.
fn validate(rule: &FilterRule) -> Result<(), MachineError> {
    let FilterRule::AllowForward { admin_chain, .. } = rule else { return Ok(()) };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_built_in = ["INPUT", "FORWARD", "OUTPUT", ALLOWED].contains(&admin_chain.as_str());
    if admin_chain.is_empty() || admin_chain.len() > 28 || !admin_chain.bytes().all(is_plain) || is_built_in {
        return Err(MachineError::Conflict(format!(
            "{admin_chain:?} is no name of a chain of the administrator's"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
