//! Sets of rules on the real kernel, as `apply` does them, without its tries and locks.

use crate::action::profile::{RuleRemoval, RuleSet};
use crate::action::record::Effect;
use crate::machine::MachineError;
use crate::machine::linux::tables::iptables;
use crate::machine::rules::iptables::Table;
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId};
use std::collections::BTreeMap;

/// The tables of iptables of the thread's network namespace.
pub struct Real;

impl RuleTables for Real {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        match table {
            TableId::Iptables(table, family) => iptables::list(table, family).map(Listing::Iptables),
            TableId::Nftables(..) => panic!("{table} is no table of iptables"),
        }
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        let TableId::Iptables(table, family) = table else { panic!("{table} is no table of iptables") };
        let edits = edits.iter().map(|edit| match edit {
            Edit::Iptables(edit) => edit.clone(),
            Edit::Nftables(_) => panic!("{edit:?} is no edit of iptables"),
        });
        iptables::commit(table, family, &edits.collect::<Vec<_>>())
    }
}

/// Adds sets of rules, those of a table in one transaction; one effect for each.
pub fn add(sets: &[&dyn RuleSet]) -> Result<Vec<Effect>, MachineError> {
    let mut effects = BTreeMap::new();
    for (table, members) in by_table(sets, |set| set.table()) {
        for (_, set) in &members {
            set.check()?;
        }
        let failed = |error| members[0].1.failed(error);
        // What is listed while a step is looked at is not listed again.
        let is_unlisted = matches!(table, TableId::Iptables(Table::PlainNat, _));
        let mut before =
            if is_unlisted { Listing::empty(table) } else { Real.list(table).map_err(failed)? };
        let (mut edits, mut changed) = fold(&before, &members, |set, now| set.add(now));
        if is_unlisted {
            assert!(members.iter().all(|(_, set)| set.add(&before).iter().any(Edit::is_exclusive)));
            match Real.commit(table, &edits) {
                Ok(()) => edits.clear(),
                Err(TableError::Refused(_)) => {
                    before = Real.list(table).map_err(failed)?;
                    (edits, changed) = fold(&before, &members, |set, now| set.add(now));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if !edits.is_empty() {
            Real.commit(table, &edits).map_err(failed)?;
        }
        let of_table = members.iter().zip(changed);
        effects.extend(of_table.map(|((index, set), changed)| (*index, set.effect(&before, changed))));
    }
    Ok(effects.into_values().collect())
}

/// Removes sets of rules, those of a table in one transaction; for each whether there was anything of it.
pub fn remove(removals: &[&dyn RuleRemoval]) -> Result<Vec<bool>, MachineError> {
    let mut found = BTreeMap::new();
    for (table, members) in by_table(removals, |removal| removal.table()) {
        for (_, removal) in &members {
            removal.check()?;
        }
        let failed = |error| members[0].1.failed(error);
        let before = Real.list(table).map_err(failed)?;
        let (edits, changed) = fold(&before, &members, |removal, now| removal.remove(now).unwrap().edits);
        if !edits.is_empty() {
            Real.commit(table, &edits).map_err(failed)?;
        }
        found.extend(members.iter().zip(changed).map(|((index, _), changed)| (*index, changed)));
    }
    Ok(found.into_values().collect())
}

/// What is missing of sets of rules.
pub fn missing(sets: &[&dyn RuleSet]) -> Vec<String> {
    let missing = |set: &&dyn RuleSet| set.missing(&Real.list(set.table()).unwrap());
    sets.iter().flat_map(missing).map(|difference| difference.text).collect()
}

/// Members of each table with their places among all.
fn by_table<'a, T: ?Sized>(
    all: &[&'a T],
    table: impl Fn(&T) -> TableId,
) -> BTreeMap<TableId, Vec<(usize, &'a T)>> {
    let mut tables: BTreeMap<TableId, Vec<(usize, &'a T)>> = BTreeMap::new();
    for (index, member) in all.iter().enumerate() {
        tables.entry(table(member)).or_default().push((index, member));
    }
    tables
}

/// The edits of all members, each on what those before it leave, and which of the members have any.
fn fold<T: ?Sized>(
    before: &Listing,
    members: &[(usize, &T)],
    of: impl Fn(&T, &Listing) -> Vec<Edit>,
) -> (Vec<Edit>, Vec<bool>) {
    let (mut now, mut all, mut changed) = (before.clone(), Vec::new(), Vec::new());
    for (_, member) in members {
        let edits = of(member, &now);
        now.apply(&edits);
        changed.push(!edits.is_empty());
        all.extend(edits);
    }
    (all, changed)
}
