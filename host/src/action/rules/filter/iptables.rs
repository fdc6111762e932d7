//! Rules in the table `filter`: chains that all containers share, and the rules of each container. An existing chain is
//! never declared again, because `iptables-restore` would flush it.

use super::FilterRule;
use super::rules::{ALLOWED, Shared, chains, mark, own, shared};
use crate::action::record::{Difference, Effect, Old};
use crate::machine::MachineError;
use crate::machine::rules::iptables::{Edit, Family, Listing, Rule, Table, failed};
use crate::machine::rules::{RuleTables, TableError, TableId};
use crate::value::length;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The reference's default for the administrator's chain. The rules of a container do not show which chain the
/// configuration named.
const ADMIN: &str = "CNI-ADMIN";

/// The table of a rule. For a firewalld source, the table has no rule of it.
pub fn table(rule: &FilterRule) -> TableId {
    TableId::Iptables(Table::Filter, Family::new(rule.is_ipv4()))
}

/// The names of what a rule shares with others: chains, the jumps to them, and the rules that isolate a bridge.
pub fn shared_by(rule: &FilterRule) -> Vec<String> {
    let frame = frame(rule).into_iter().map(|shared| shared.rule.name());
    chains(rule).into_iter().map(str::to_owned).chain(frame).chain(mark(rule)).collect()
}

/// The listed part of these.
pub fn there(rule: &FilterRule, listing: &Listing) -> Vec<String> {
    let mark = mark(rule).filter(|mark| {
        shared(rule).iter().filter(|shared| shared.with == *mark).all(|part| part.is_in(listing))
    });
    let frame = frame(rule).into_iter().filter(|part| part.is_in(listing)).map(|shared| shared.rule.name());
    let chains = chains(rule).into_iter().filter(|chain| listing.has_chain(chain)).map(str::to_owned);
    chains.chain(frame).chain(mark).collect()
}

/// The jumps to shared chains. The rules that isolate a bridge are not among them: [`mark`] names these.
fn frame(rule: &FilterRule) -> Vec<Shared> {
    let all = chains(rule);
    shared(rule).into_iter().filter(|shared| all.contains(&shared.with.as_str())).collect()
}

/// The edits that add what is missing in a listing.
pub fn add(rule: &FilterRule, listing: &Listing) -> Vec<Edit> {
    let chains = chains(rule).into_iter().filter(|chain| !listing.has_chain(chain));
    let shared = shared(rule).into_iter().filter(|part| !part.is_in(listing)).map(Shared::edit);
    let own = own(rule).into_iter().filter(|own| !listing.has(own)).map(Edit::Append);
    chains.map(|chain| Edit::NewChain(chain.to_owned())).chain(shared).chain(own).collect()
}

/// The effect of edits, compared with the earlier listing.
pub fn effect(rule: &FilterRule, before: &Listing, is_changed: bool) -> Effect {
    let there = there(rule, before);
    match (is_changed, there.is_empty()) {
        (false, _) => Effect::AlreadyThere,
        (true, true) => Effect::Created,
        (true, false) => Effect::Replaced(Old::Shared(there)),
    }
}

/// What is missing in a listing.
pub fn missing(rule: &FilterRule, listing: &Listing) -> Vec<Difference> {
    Difference::all(Edit::missing(&add(rule, listing)), rule.clone())
}

/// The edits that remove the rules of a container. They also remove the shared parts that `unmake` names and that
/// nobody uses.
pub fn remove(rule: &FilterRule, unmake: &[String], listing: &Listing) -> Vec<Edit> {
    let is_unmade = |name: &str| unmake.iter().any(|unmade| unmade == name);
    let (own, shared) = (own(rule), shared(rule));
    let found = |is_meant: &dyn Fn(&Rule) -> bool| -> Vec<usize> {
        let all = listing.rules.iter().enumerate();
        all.filter(|(_, listed)| is_meant(listed)).map(|(index, _)| index).collect()
    };
    let mut doomed: BTreeSet<usize> = BTreeSet::new();
    doomed.extend(found(&|listed| own.iter().any(|own| own.is_same(listed))));
    // The rules that isolate a bridge are removed first, then the chains that are left without rules of others.
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
    // A chain with rules of the administrator or of other containers stays. Of the two isolation stages, one keeps the
    // other. Rules of containers keep the administrator's chain that was created together with their own chain.
    let is_pair = matches!(rule, FilterRule::Isolate { .. });
    let is_any_kept = all.iter().any(|chain| (is_pair || *chain == ALLOWED) && is_kept(chain));
    let is_all_kept = is_any_kept && (is_pair || is_unmade(ALLOWED));
    let mut gone: Vec<&str> = all
        .iter()
        .copied()
        .filter(|chain| is_unmade(chain) && listing.has_chain(chain))
        .filter(|chain| !is_all_kept && !is_kept(chain))
        .collect();
    let leads_to_gone =
        |listed: &Rule| !gone.is_empty() && listed.target().is_some_and(|target| gone.contains(&target));
    let is_foreign = |listed: &Rule| leads_to_gone(listed) && !shared.iter().any(|part| part.is(listed));
    if listing.rules.iter().any(is_foreign) && !is_pair {
        gone.clear();
    }
    // If a chain stays, the jump to it is removed if this ADD made it and no container needs it.
    if !is_any_kept {
        let frame = frame(rule);
        let of_frame = |part: &Shared, listed: &Rule| is_unmade(&part.rule.name()) && part.is(listed);
        doomed.extend(found(&|listed| frame.iter().any(|part| of_frame(part, listed))));
    }
    let mut edits: Vec<Edit> = Vec::new();
    for (index, listed) in listing.rules.iter().enumerate() {
        let is_led_away = !gone.is_empty() && listed.target().is_some_and(|target| gone.contains(&target));
        if (doomed.contains(&index) || is_led_away) && !gone.contains(&listed.chain.as_str()) {
            edits.push(Edit::Delete(listed.clone()));
        }
    }
    edits.extend(gone.iter().map(|chain| Edit::Flush((*chain).to_owned())));
    edits.extend(gone.iter().map(|chain| Edit::DeleteChain((*chain).to_owned())));
    edits
}

/// Refuses a chain name that is not a single word in a script, or that is the name of a built-in chain.
pub fn check(rule: &FilterRule) -> Result<(), MachineError> {
    let FilterRule::AllowForward { admin_chain, .. } = rule else { return Ok(()) };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_built_in = ["INPUT", "FORWARD", "OUTPUT", ALLOWED].contains(&admin_chain.as_str());
    if admin_chain.is_empty()
        || admin_chain.len() > length::IPTABLES_CHAIN
        || !admin_chain.bytes().all(is_plain)
        || is_built_in
    {
        return Err(MachineError::Conflict(format!(
            "{admin_chain:?} is no name of a chain of the administrator's"
        )));
    }
    Ok(())
}

/// The addresses among these whose packets are accepted, found from the rules alone. If a table cannot be listed, the
/// error is added to `unread`, and its rules are missing in the result.
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

/// The same for addresses of one family, in a listing.
fn allowed_in(listing: &Listing, addresses: &[IpAddr]) -> Vec<FilterRule> {
    let rule =
        |address: &IpAddr| FilterRule::AllowForward { address: *address, admin_chain: ADMIN.to_owned() };
    let is_there = |rule: &FilterRule| own(rule).iter().any(|own| listing.has(own));
    addresses.iter().map(rule).filter(is_there).collect()
}
