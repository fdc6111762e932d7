//! For tests of rooms: their rules on the tables of nftables that the kernel has, done as `apply` does them.

use crate::action::profile::{Lane, RuleRemoval, RuleSet, UndoLane};
use crate::action::record::{Difference, Effect, Outcome, Undone};
use crate::action::{Action, Undo};
use crate::machine::MachineError;
use crate::machine::linux::tables::nft;
use crate::machine::rules::{Edit, Listing, RuleTables, TableError, TableId, nftables};

/// The tables of this network namespace.
pub struct Tables;

impl RuleTables for Tables {
    fn list(&self, table: TableId) -> Result<Listing, TableError> {
        match table {
            TableId::Nftables(family, name) => nft::list(family, name).map(Listing::Nftables),
            TableId::Iptables(..) => Ok(Listing::empty(table)),
        }
    }

    fn commit(&self, table: TableId, edits: &[Edit]) -> Result<(), TableError> {
        let TableId::Nftables(family, name) = table else { return Ok(()) };
        let edits: Vec<nftables::Edit> = edits
            .iter()
            .filter_map(|edit| match edit {
                Edit::Nftables(edit) => Some(edit.clone()),
                Edit::Iptables(_) => None,
            })
            .collect();
        nft::commit(family, name, &edits)
    }
}

/// So many times a transaction is made that others make impossible.
const MAX_TRIES: usize = 4;

/// Lists a table and does what follows from it, again if others have changed the table between the two.
pub fn change<T>(table: TableId, decide: impl Fn(&Listing) -> (Vec<Edit>, T)) -> Result<T, TableError> {
    let mut listed = Tables.list(table)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let (edits, result) = decide(&listed);
        if edits.is_empty() && tries < MAX_TRIES {
            // `nft` leaves out what it cannot get from the kernel, and succeeds: that there is nothing to do, two listings have to say.
            let now = Tables.list(table)?;
            if now != listed {
                listed = now;
                continue;
            }
        }
        match Tables.commit(table, &edits) {
            Ok(()) => return Ok(result),
            Err(TableError::Refused(message)) if tries < MAX_TRIES => {
                let now = Tables.list(table)?;
                if now == listed {
                    return Err(TableError::Refused(message));
                }
                listed = now;
            }
            Err(TableError::Refused(message)) => return Err(TableError::Changed(message)),
            Err(error) => return Err(error),
        }
    }
}

/// The edits of several sets of rules, and what each changes; an error of the first that conflicts.
pub fn additions(
    sets: &[&dyn RuleSet],
    others: &[&Action],
    before: &Listing,
) -> (Vec<Edit>, Result<Vec<Effect>, MachineError>) {
    let (mut now, mut all, mut effects) = (before.clone(), Vec::new(), Vec::new());
    for set in sets {
        if let Some(conflict) = set.conflict(&now) {
            return (Vec::new(), Err(conflict));
        }
        let edits = set.add_with_others(others, &now);
        now.apply(&edits);
        effects.push(set.effect(before, !edits.is_empty()));
        all.extend(edits);
    }
    (all, Ok(effects))
}

/// Adds sets of rules of one table, one outcome for each.
pub fn add_sets(sets: &[&dyn RuleSet], others: &[&Action]) -> Vec<Outcome> {
    let failed = |error: MachineError, outcome: fn(MachineError) -> Outcome| {
        let with_it = || MachineError::Conflict("the transaction that it is part of failed".to_owned());
        let others = sets.iter().skip(1).map(|_| outcome(with_it()));
        std::iter::once(outcome(error)).chain(others).collect()
    };
    for set in sets {
        if let Err(error) = set.check() {
            return failed(error, Outcome::Failed);
        }
    }
    match change(sets[0].table(), |listed| additions(sets, others, listed)) {
        Ok(Ok(effects)) => effects.into_iter().map(Outcome::Done).collect(),
        Ok(Err(error)) => failed(error, Outcome::Failed),
        Err(error) => {
            let outcome = if error.is_unknown() { Outcome::Halfway } else { Outcome::Failed };
            failed(sets[0].failed(error), outcome)
        }
    }
}

/// Adds the rules of actions of one table, one outcome for each.
pub fn add(actions: &[Action]) -> Vec<Outcome> {
    let sets: Vec<&dyn RuleSet> = actions.iter().map(rule_set).collect();
    add_sets(&sets, &actions.iter().collect::<Vec<_>>())
}

/// The edits of several removals, and what becomes of each.
pub fn removals(removals: &[&dyn RuleRemoval], before: &Listing) -> (Vec<Edit>, Vec<Undone>) {
    let (mut now, mut all) = (before.clone(), Vec::new());
    let mut undo = |removal: &&dyn RuleRemoval| match removal.remove(&now) {
        Err(reason) => Undone::Left(reason),
        Ok(removal) if removal.edits.is_empty() => Undone::Gone,
        Ok(removal) => {
            now.apply(&removal.edits);
            all.extend(removal.edits);
            Undone::Done
        }
    };
    let undone = removals.iter().map(&mut undo).collect();
    (all, undone)
}

/// Removes sets of rules of one table, one result for each.
pub fn remove_sets(sets: &[&dyn RuleRemoval]) -> Vec<Undone> {
    match change(sets[0].table(), |listed| removals(sets, listed)) {
        Ok(undone) => undone,
        Err(TableError::Missing(_)) => sets.iter().map(|_| Undone::Gone).collect(),
        Err(error) => vec![Undone::Failed(sets[0].failed(error))],
    }
}

/// Removes the rules of undos of one table, one result for each.
pub fn remove(undos: &[Undo]) -> Vec<Undone> {
    let sets: Vec<&dyn RuleRemoval> = undos.iter().map(removal).collect();
    remove_sets(&sets)
}

/// What is missing of actions of one table, each sentence once.
pub fn verify(actions: &[Action]) -> Vec<String> {
    let listed = Tables.list(rule_set(&actions[0]).table()).unwrap();
    let mut texts: Vec<String> = Vec::new();
    for Difference { text, .. } in actions.iter().flat_map(|action| rule_set(action).missing(&listed)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The effects of actions that were all done.
pub fn effects(outcomes: Vec<Outcome>) -> Vec<Effect> {
    let effect = |outcome| match outcome {
        Outcome::Done(effect) => effect,
        other => panic!("{other:?}"),
    };
    outcomes.into_iter().map(effect).collect()
}

/// The set of rules that an action is.
pub fn rule_set(action: &Action) -> &dyn RuleSet {
    match action.kind().profile().lane {
        Lane::Rules(set) => set,
        _ => panic!("{action:?} has no rules"),
    }
}

/// The set of rules that an undo removes.
pub fn removal(undo: &Undo) -> &dyn RuleRemoval {
    match undo.inverse().lane() {
        UndoLane::Rules(removal) => removal,
        _ => panic!("{undo:?} has no rules"),
    }
}
