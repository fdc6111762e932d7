//! Transactions of rules: all edits of a table at once, or none of them.

use super::parallel::in_parallel;
use crate::action::Action;
use crate::action::context::{Notes, WriteContext};
use crate::action::profile::{RuleRemoval, RuleSet};
use crate::action::record::{Effect, Outcome, Undone};
use crate::machine::MachineError;
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId, iptables};
use std::collections::HashMap;

/// The largest number of attempts for a transaction. After a concurrent change by somebody else, the transaction is
/// computed again from a new listing.
const MAX_TRIES: usize = 4;
/// The reason for the other members of a failed transaction.
const WITH_IT: &str = "the transaction that it is part of failed";

/// An action, with its set of rules.
pub type Member<'a> = (&'a Action, &'a dyn RuleSet);

/// Adds sets of rules, with one transaction for each table, up to the first failure. Returns one outcome for each set.
pub fn add(sets: &[Member<'_>], cx: &mut WriteContext<'_>) -> Vec<Outcome> {
    let tables = cx.machine.tables();
    let mut outcomes: Vec<Option<Outcome>> = sets.iter().map(|_| None).collect();
    for table in each_table(sets.iter().map(|(_, set)| set.table())) {
        let members: Vec<usize> = (0..sets.len())
            .filter(|place| sets.get(*place).is_some_and(|(_, set)| set.table() == table))
            .collect();
        let of_table: Vec<Member<'_>> =
            members.iter().filter_map(|place| sets.get(*place).copied()).collect();
        let listed = cx.notes.listings.remove(&table);
        let mut done = match change(table, &of_table, &cx.notes.recorded, listed, &*tables) {
            Ok(effects) => {
                of_table.iter().for_each(|(_, set)| set.then(cx.machine));
                effects.into_iter().map(Outcome::Done).collect()
            }
            Err(failure) => failure.outcomes(&of_table),
        }
        .into_iter();
        let mut is_failed = false;
        for place in members {
            let outcome = done.next();
            is_failed |= outcome.as_ref().is_some_and(Outcome::is_failure);
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
        if is_failed {
            break;
        }
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::NotTried)).collect()
}

/// Why a transaction was not done.
enum Failure {
    /// The set of rules with this number cannot be added. Nothing was tried.
    Impossible(usize, MachineError),
    /// The program or the kernel refused the transaction.
    Table(TableError),
}

impl Failure {
    /// The outcomes: the error for the set that it belongs to, or for the first one. The other sets failed with it.
    fn outcomes(self, sets: &[Member<'_>]) -> Vec<Outcome> {
        let (place, error, is_unknown) = match self {
            Failure::Impossible(place, error) => (place, error, false),
            Failure::Table(error) => {
                let is_unknown = error.is_unknown();
                match sets.first() {
                    Some((_, first)) => (0, first.failed(error), is_unknown),
                    None => return Vec::new(),
                }
            }
        };
        let mut error = Some(error);
        let outcome = |(number, _): (usize, &Member<'_>)| match (number == place, is_unknown) {
            (true, false) => error.take().map_or(Outcome::NotTried, Outcome::Failed),
            (true, true) => error.take().map_or(Outcome::NotTried, Outcome::Halfway),
            (false, true) => Outcome::Halfway(MachineError::Conflict(WITH_IT.to_owned())),
            (false, false) => Outcome::NotTried,
        };
        sets.iter().enumerate().map(outcome).collect()
    }
}

/// Adds sets of rules to one table, as one transaction.
///
/// Rules that `recorded` actions need stay. If every set contains something that the kernel refuses to create twice,
/// the table is not listed first: a refusal shows that something exists.
fn change(
    table: TableId,
    sets: &[Member<'_>],
    recorded: &[Action],
    listed: Option<Listing>,
    tables: &dyn RuleTables,
) -> Result<Vec<Effect>, Failure> {
    for (place, (_, set)) in sets.iter().enumerate() {
        set.check().map_err(|error| Failure::Impossible(place, error))?;
    }
    let list = || tables.list(table).map_err(Failure::Table);
    let empty = Listing::empty(table);
    let others: Vec<&Action> = recorded.iter().chain(sets.iter().map(|(action, _)| *action)).collect();
    let is_exclusive =
        |(_, set): &Member<'_>| set.add_with_others(&others, &empty).iter().any(Edit::is_exclusive);
    let mut is_listed = listed.is_some() || !sets.iter().all(is_exclusive);
    let mut listing = match listed {
        Some(listing) => listing,
        None if is_listed => list()?,
        None => empty,
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let conflict = |(place, (_, set)): (usize, &Member<'_>)| Some((place, set.conflict(&listing)?));
        if let Some((place, conflict)) = sets.iter().enumerate().find_map(conflict) {
            return Err(Failure::Impossible(place, conflict));
        }
        let (mut now, mut edits, mut effects) = (listing.clone(), Vec::new(), Vec::new());
        for (_, set) in sets {
            let own = set.add_with_others(&others, &now);
            now.apply(&own);
            effects.push(set.effect(&listing, !own.is_empty()));
            edits.extend(own);
        }
        if edits.is_empty() {
            // `iptables -S` and `nft list` omit what they cannot read from the kernel, and still succeed. So two
            // listings must agree that there is nothing to do.
            let again = list()?;
            if again == listing || tries >= MAX_TRIES {
                return Ok(effects);
            }
            listing = again;
            continue;
        }
        match tables.commit(table, &edits) {
            Ok(()) => return Ok(effects),
            Err(TableError::Refused(message)) => {
                let again = list()?;
                if is_listed && again == listing {
                    return Err(Failure::Table(TableError::Refused(message)));
                }
                if tries >= MAX_TRIES {
                    return Err(Failure::Table(TableError::Changed(message)));
                }
                (listing, is_listed) = (again, true);
            }
            Err(error) => return Err(Failure::Table(error)),
        }
    }
}

/// Removes sets of rules, with one transaction for each table. Returns one result for each set.
pub fn remove(removals: &[&dyn RuleRemoval], tables: &dyn RuleTables) -> Vec<Undone> {
    let mut results: Vec<Option<Undone>> = removals.iter().map(|_| None).collect();
    for table in each_table(removals.iter().map(|removal| removal.table())) {
        let members: Vec<usize> = (0..removals.len())
            .filter(|place| removals.get(*place).is_some_and(|one| one.table() == table))
            .collect();
        let of_table: Vec<&dyn RuleRemoval> =
            members.iter().filter_map(|place| removals.get(*place).copied()).collect();
        let mut done = remove_of(table, &of_table, tables).into_iter();
        for place in members {
            if let Some(slot) = results.get_mut(place) {
                *slot = done.next();
            }
        }
    }
    results.into_iter().map(|result| result.unwrap_or(Undone::Gone)).collect()
}

fn remove_of(table: TableId, removals: &[&dyn RuleRemoval], tables: &dyn RuleTables) -> Vec<Undone> {
    let failed = |place: usize, error: MachineError| {
        let mut error = Some(error);
        let result = |(number, _): (usize, &&dyn RuleRemoval)| match error.take_if(|_| number == place) {
            Some(error) => Undone::Failed(error),
            None => Undone::Left(WITH_IT.to_owned()),
        };
        removals.iter().enumerate().map(result).collect()
    };
    for (place, removal) in removals.iter().enumerate() {
        if let Err(error) = removal.check() {
            return failed(place, error);
        }
    }
    match try_remove(table, removals, tables) {
        Ok(results) => results,
        // If the program is missing, there are no rules of ours.
        Err(TableError::Missing(_)) => removals.iter().map(|_| Undone::Gone).collect(),
        Err(error) => removals.first().map(|first| failed(0, first.failed(error))).unwrap_or_default(),
    }
}

fn try_remove(
    table: TableId,
    removals: &[&dyn RuleRemoval],
    tables: &dyn RuleTables,
) -> Result<Vec<Undone>, TableError> {
    let mut touched = vec![false; removals.len()];
    let mut is_confirmed = false;
    let mut listing = tables.list(table)?;
    let mut tries = 0;
    loop {
        let (mut now, mut edits) = (listing.clone(), Vec::new());
        let mut left: Vec<Option<String>> = removals.iter().map(|_| None).collect();
        let mut found = vec![false; removals.len()];
        for ((removal, left), found) in removals.iter().zip(&mut left).zip(&mut found) {
            match removal.remove(&now) {
                Ok(removal) => {
                    now.apply(&removal.edits);
                    *found = !removal.edits.is_empty();
                    edits.extend(removal.edits);
                }
                Err(reason) => (*left, *found) = (Some(reason), true),
            }
        }
        in_removal_order(&mut edits, &listing);
        // One set may leave an object because another set of the same transaction uses it. The repetition then removes
        // the object.
        let look_again = removals.iter().any(|one| one.remove(&now).is_ok_and(|left| left.look_again));
        if found.contains(&false) && !is_confirmed {
            // `iptables -S` and `nft list` omit what they cannot read from the kernel, and still succeed. So two
            // listings must agree that a set is gone.
            is_confirmed = true;
            listing = tables.list(table)?;
            continue;
        }
        tries += 1;
        let done = if edits.is_empty() { Ok(()) } else { tables.commit(table, &edits) };
        match done {
            Ok(()) => {
                touched.iter_mut().zip(&found).for_each(|(all, now)| *all |= *now);
                if look_again && !edits.is_empty() && tries < MAX_TRIES {
                    is_confirmed = true;
                    listing = tables.list(table)?;
                    continue;
                }
                let result = |(touched, left): (bool, Option<String>)| match left {
                    Some(reason) => Undone::Left(reason),
                    None if touched => Undone::Done,
                    None => Undone::Gone,
                };
                return Ok(touched.into_iter().zip(left).map(result).collect());
            }
            Err(TableError::Refused(message)) => {
                let again = tables.list(table)?;
                if again == listing {
                    return Err(TableError::Refused(message));
                }
                if tries >= MAX_TRIES {
                    return Err(TableError::Changed(message));
                }
                listing = again;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sorts the edits of all sets together. The edits of each set are in the order of removal.
///
/// `iptables` searches each chain from its beginning for each rule to delete, and takes microseconds for each rule that it
/// compares. In the order of the chain, it finds our rules at once, or after those of others.
fn in_removal_order(edits: &mut [Edit], listing: &Listing) {
    let listed = listing.iptables().map(|listing| listing.rules.as_slice()).unwrap_or_default();
    let mut places: HashMap<(&str, &[String]), usize> = HashMap::with_capacity(listed.len());
    for (place, rule) in listed.iter().enumerate() {
        places.entry((&rule.chain, rule.words())).or_insert(place);
    }
    edits.sort_by_key(|edit| match edit {
        Edit::Iptables(edit @ iptables::Edit::Delete(rule)) => {
            let place = places.get(&(rule.chain.as_str(), rule.words())).copied();
            (edit.removal_order(), place.unwrap_or(usize::MAX))
        }
        Edit::Iptables(edit) => (edit.removal_order(), 0),
        Edit::Nftables(_) => (0, 0),
    });
}

/// Lists tables of nftables in a second thread while `here` runs, because each listing starts a process. Tables that
/// cannot be listed are left out.
pub fn list_in_parallel<T>(
    wanted: &[TableId],
    tables: &(dyn RuleTables + Sync),
    notes: &mut Notes,
    here: impl FnOnce(&mut Notes) -> T,
) -> T {
    let processes: Vec<TableId> =
        wanted.iter().copied().filter(|table| matches!(table, TableId::Nftables(..))).collect();
    if processes.is_empty() {
        return here(notes);
    }
    let list = || -> Vec<(TableId, Listing)> {
        each_table(processes.iter().copied())
            .into_iter()
            .filter_map(|table| Some((table, tables.list(table).ok()?)))
            .collect()
    };
    let (listed, result) = in_parallel(list, || here(notes));
    notes.listings.extend(listed);
    result
}

/// Each table once, in the order of first occurrence.
fn each_table(tables: impl Iterator<Item = TableId>) -> Vec<TableId> {
    let mut once: Vec<TableId> = Vec::new();
    for table in tables {
        if !once.contains(&table) {
            once.push(table);
        }
    }
    once
}
