//! Rules in table `filter`: chains that all containers share, and the rules of each. Chains that are there are never declared again.

use super::FilterRule;
use super::rules::{ALLOWED, Shared, chains, mark, own, shared};
use crate::action::record::{Difference, Effect, Old};
use crate::machine::MachineError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Rule, Table, failed};
use crate::machine::rules::{RuleTables, TableError, TableId};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The administrator's chain, unless a configuration names another; no rule of a container says which.
const ADMIN: &str = "CNI-ADMIN";

/// The table of a rule; of a source of firewalld, one in which it has no rule.
pub fn table(rule: &FilterRule) -> TableId {
    TableId::Iptables(Table::Filter, Family::new(rule.is_ipv4()))
}

/// The names of what a rule shares with others: chains, the rules that lead to them, and what isolates a bridge.
pub fn shared_by(rule: &FilterRule) -> Vec<String> {
    let frame = frame(rule).into_iter().map(|shared| shared.rule.name());
    chains(rule).into_iter().map(str::to_owned).chain(frame).chain(mark(rule)).collect()
}

/// Which of it is listed.
pub fn there(rule: &FilterRule, listing: &Listing) -> Vec<String> {
    let mark = mark(rule).filter(|mark| {
        shared(rule).iter().filter(|shared| shared.with == *mark).all(|part| part.is_in(listing))
    });
    let frame = frame(rule).into_iter().filter(|part| part.is_in(listing)).map(|shared| shared.rule.name());
    let chains = chains(rule).into_iter().filter(|chain| listing.has_chain(chain)).map(str::to_owned);
    chains.chain(frame).chain(mark).collect()
}

/// The rules that lead to shared chains; those of a bridge have a name of their own.
fn frame(rule: &FilterRule) -> Vec<Shared> {
    let all = chains(rule);
    shared(rule).into_iter().filter(|shared| all.contains(&shared.with.as_str())).collect()
}

/// The edits that make what a listing lacks.
pub fn add(rule: &FilterRule, listing: &Listing) -> Vec<Edit> {
    let chains = chains(rule).into_iter().filter(|chain| !listing.has_chain(chain));
    let shared = shared(rule).into_iter().filter(|part| !part.is_in(listing)).map(Shared::edit);
    let own = own(rule).into_iter().filter(|own| !listing.has(own)).map(Edit::Append);
    chains.map(|chain| Edit::NewChain(chain.to_owned())).chain(shared).chain(own).collect()
}

/// What edits changed of what was listed before.
pub fn effect(rule: &FilterRule, before: &Listing, is_changed: bool) -> Effect {
    let there = there(rule, before);
    match (is_changed, there.is_empty()) {
        (false, _) => Effect::AlreadyThere,
        (true, true) => Effect::Created,
        (true, false) => Effect::Replaced(Old::Shared(there)),
    }
}

/// What a listing lacks.
pub fn missing(rule: &FilterRule, listing: &Listing) -> Vec<Difference> {
    Difference::all(Edit::missing(&add(rule, listing)), rule.clone())
}

/// The edits that remove the rules of a container, and of what it shares with others that which `unmake` names and nobody uses.
pub fn remove(rule: &FilterRule, unmake: &[String], listing: &Listing) -> Vec<Edit> {
    let is_unmade = |name: &str| unmake.iter().any(|unmade| unmade == name);
    let (own, shared) = (own(rule), shared(rule));
    let found = |is_meant: &dyn Fn(&Rule) -> bool| -> Vec<usize> {
        let all = listing.rules.iter().enumerate();
        all.filter(|(_, listed)| is_meant(listed)).map(|(index, _)| index).collect()
    };
    let mut doomed: BTreeSet<usize> = BTreeSet::new();
    doomed.extend(found(&|listed| own.iter().any(|own| own.is_same(listed))));
    // What isolates a bridge goes first, then chains that are left with nothing of anybody's.
    let marked = mark(rule).filter(|mark| is_unmade(mark));
    let of_mark = |part: &&Shared| marked.as_ref() == Some(&part.with);
    doomed.extend(found(&|listed| shared.iter().filter(of_mark).any(|part| part.is(listed))));
    let all = chains(rule);
    let is_frame =
        |listed: &Rule| shared.iter().any(|part| all.contains(&part.with.as_str()) && part.is(listed));
    let is_kept = |chain: &str| {
        let mut rules = listing.rules.iter().enumerate();
        rules.any(|(index, listed)| listed.chain == chain && !doomed.contains(&index) && !is_frame(listed))
    };
    // The administrator's rules, and other containers', keep their chain; a stage keeps the other one, and containers the chain of the
    // administrator that came with theirs.
    let is_pair = matches!(rule, FilterRule::Isolate { .. });
    let is_any_kept = all.iter().any(|chain| (is_pair || *chain == ALLOWED) && is_kept(chain));
    let is_all_kept = is_any_kept && (is_pair || is_unmade(ALLOWED));
    let mut gone: Vec<&str> = all
        .iter()
        .copied()
        .filter(|chain| is_unmade(chain) && listing.has_chain(chain))
        .filter(|chain| !is_all_kept && !is_kept(chain))
        .collect();
    let leads_to_gone = |listed: &Rule| listed.target().is_some_and(|target| gone.contains(&target));
    let is_foreign = |listed: &Rule| leads_to_gone(listed) && !shared.iter().any(|part| part.is(listed));
    if listing.rules.iter().any(is_foreign) && !is_pair {
        gone.clear();
    }
    // Of a chain that stays what leads to it goes, if that was made and no container has use for it.
    if !is_any_kept {
        let frame = frame(rule);
        let of_frame = |part: &Shared, listed: &Rule| is_unmade(&part.rule.name()) && part.is(listed);
        doomed.extend(found(&|listed| frame.iter().any(|part| of_frame(part, listed))));
    }
    let mut edits: Vec<Edit> = Vec::new();
    for (index, listed) in listing.rules.iter().enumerate() {
        let is_led_away = listed.target().is_some_and(|target| gone.contains(&target));
        if (doomed.contains(&index) || is_led_away) && !gone.contains(&listed.chain.as_str()) {
            edits.push(Edit::Delete(listed.clone()));
        }
    }
    edits.extend(gone.iter().map(|chain| Edit::Flush((*chain).to_owned())));
    edits.extend(gone.iter().map(|chain| Edit::DeleteChain((*chain).to_owned())));
    edits
}

/// What is written into a script has to stay one word, and no chain is one of the kernel's own.
pub fn check(rule: &FilterRule) -> Result<(), MachineError> {
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

/// Which of these addresses' packets pass, as the rules alone show it. A table that cannot be listed is an error in `unread`, and what it has is left out.
pub fn allowed(
    tables: &dyn RuleTables,
    addresses: &[IpAddr],
    unread: &mut Vec<MachineError>,
) -> Vec<FilterRule> {
    let mut found = Vec::new();
    for family in Family::ALL {
        let of_family: Vec<IpAddr> =
            addresses.iter().copied().filter(|address| Family::of((*address).into()) == family).collect();
        if of_family.is_empty() {
            continue;
        }
        match tables.list(TableId::Iptables(Table::Filter, family)) {
            Ok(listing) => {
                let listing = listing.iptables();
                found.extend(listing.map(|listing| allowed_in(listing, &of_family)).unwrap_or_default());
            }
            Err(TableError::Missing(_)) => {}
            Err(error) => unread.push(failed(error)),
        }
    }
    found
}

/// The same of addresses of one family, in a listing.
fn allowed_in(listing: &Listing, addresses: &[IpAddr]) -> Vec<FilterRule> {
    let rule =
        |address: &IpAddr| FilterRule::AllowForward { address: *address, admin_chain: ADMIN.to_owned() };
    let is_there = |rule: &FilterRule| own(rule).iter().any(|own| listing.has(own));
    addresses.iter().map(rule).filter(is_there).collect()
}
