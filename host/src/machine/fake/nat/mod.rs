//! The table `nat` of both families: chains of rules, changed by transactions.

mod name;
mod rule;
mod table;

use super::super::iptables::Family;
use super::super::{Effect, MachineError, Undone};
use crate::action::Masquerade;
use rule::parts;
use std::collections::BTreeSet;
use table::Table;

/// Where packets leave: a chain of the kernel's.
const POSTROUTING: &str = "POSTROUTING";

/// The tables of both families.
#[derive(Debug, Clone, Default)]
pub struct Nat {
    v4: Table,
    v6: Table,
}

impl Nat {
    /// Adds the rules of all actions of a run, as one transaction per family; none: it was not begun.
    pub fn add(&mut self, actions: &[&Masquerade]) -> Vec<Option<Result<Effect, MachineError>>> {
        let mut results: Vec<_> = actions.iter().map(|_| None).collect();
        for family in Family::ALL {
            let (places, members) = members(actions, family);
            match self.add_family(family, &members) {
                Ok(effects) => put(&mut results, &places, effects.into_iter().map(|effect| Some(Ok(effect)))),
                Err(error) => {
                    put(&mut results, &places, std::iter::once(Some(Err(error))));
                    break;
                }
            }
        }
        results
    }

    fn add_family(&mut self, family: Family, actions: &[&Masquerade]) -> Result<Vec<Effect>, MachineError> {
        name::validate(actions)?;
        let table = self.table_mut(family);
        let chains = actions.iter().map(|action| action.chain.as_str());
        let new: BTreeSet<&str> = chains.clone().filter(|chain| !table.chains.contains_key(*chain)).collect();
        name::refuse(family, &new)?;
        // Nothing is listed when every chain could be made.
        let listed = chains.clone().any(|chain| !new.contains(chain));
        let before = table.clone();
        table.add(actions);
        let is_there = |action: &&Masquerade| listed && parts(action).iter().all(|part| before.has(part));
        let effect = |action| if is_there(action) { Effect::AlreadyThere } else { Effect::Created };
        Ok(actions.iter().map(effect).collect())
    }

    /// Deletes the rules of all actions, as one transaction per family.
    pub fn delete(&mut self, actions: &[&Masquerade]) -> Vec<Undone> {
        let mut results: Vec<Undone> = actions.iter().map(|_| Undone::Gone).collect();
        for family in Family::ALL {
            let (places, members) = members(actions, family);
            match name::validate(&members) {
                Ok(()) => {
                    let touched = self.table_mut(family).delete(&members).into_iter();
                    let undone = touched.map(|touched| if touched { Undone::Done } else { Undone::Gone });
                    put(&mut results, &places, undone);
                }
                Err(error) => {
                    let reason = "the transaction that it is part of failed";
                    let others = std::iter::repeat_with(|| Undone::Left(reason.to_owned()));
                    put(&mut results, &places, std::iter::once(Undone::Failed(error)).chain(others));
                }
            }
        }
        results
    }

    /// What is missing, in one sentence for each rule.
    pub fn verify(&self, action: &Masquerade) -> Vec<String> {
        let table = self.table(Family::of(action.address));
        let missing = parts(action).into_iter().filter(|part| !table.has(part));
        missing.map(|part| format!("the rule `{}` is gone", part.line)).collect()
    }

    /// All chains and rules, as `iptables -S` prints them.
    pub fn lines(&self, family: Family) -> Vec<String> {
        let table = self.table(family);
        let chains = table.chains.keys().map(|chain| format!("-N {chain}"));
        let named = table.chains.iter().map(|(chain, rules)| (chain.as_str(), rules));
        let rules = named.chain([(POSTROUTING, &table.postrouting)]);
        chains.chain(rules.flat_map(|(chain, rules)| rules.iter().map(move |r| r.line(chain)))).collect()
    }

    fn table(&self, family: Family) -> &Table {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn table_mut(&mut self, family: Family) -> &mut Table {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// The actions of a family, with their places among all.
fn members<'a>(actions: &[&'a Masquerade], family: Family) -> (Vec<usize>, Vec<&'a Masquerade>) {
    let all = actions.iter().copied().enumerate();
    all.filter(|(_, action)| Family::of(action.address) == family).unzip()
}

/// Puts values where they belong; a place without one keeps what it has.
fn put<T>(results: &mut [T], places: &[usize], values: impl Iterator<Item = T>) {
    for (place, value) in places.iter().zip(values) {
        if let Some(slot) = results.get_mut(*place) {
            *slot = value;
        }
    }
}
