//! The rules that hide addresses (cni-behaviours, section 2.10).

mod rule;

use super::super::{Difference, Effect, MachineError, Outcome, Undone};
use super::process::{NftError, Script, TableName, change, list, list_for};
use super::table::{Rule, Table};
use crate::action::Action;
use crate::action::MasqueradeNft;
use crate::value::{Attachment, derive};
use rule::{FRAME, address, delete_rule, frame, is, is_owned, owner, source, validate, words};

const TABLE: TableName = TableName("inet", "cni_plugins_masquerade");
const CHECKS: &str = "masq_checks";
const POSTROUTING: &str = "postrouting";

/// Adds the rules of all actions as one transaction; one outcome for each.
///
/// Rules of the same owners go first, so that a second ADD leaves what the first one did.
pub fn add(actions: &[&MasqueradeNft]) -> Vec<Outcome> {
    if let Err(error) = actions.iter().try_for_each(|action| validate(action)) {
        return all_failed(error, actions.len(), Outcome::Failed);
    }
    match change(TABLE, |table| addition(table, actions)) {
        Ok(effects) => effects.into_iter().map(Outcome::Done).collect(),
        Err(error) => {
            let outcome =
                if matches!(error, NftError::Killed(_)) { Outcome::Halfway } else { Outcome::Failed };
            all_failed(failed(error), actions.len(), outcome)
        }
    }
}

/// The error for the first of a transaction; the others fell with it.
fn all_failed(error: MachineError, count: usize, failed: fn(MachineError) -> Outcome) -> Vec<Outcome> {
    let with_it = || MachineError::Conflict("the transaction that it is part of failed".to_owned());
    std::iter::once(error)
        .chain(std::iter::repeat_with(with_it).take(count.saturating_sub(1)))
        .map(failed)
        .collect()
}

/// Deletes the rules of addresses as one transaction; the table too, if `table` and nothing is left in it. One result for
/// each.
///
/// Others may add to the table between listing and transaction. Our own ADD and the rollback that deletes a table exclude
/// each other by the shared lock.
pub fn delete(rules: &[&MasqueradeNft], table: bool) -> Vec<Undone> {
    match change(TABLE, |listed| deletion(listed, rules, table)) {
        Ok(touched) => {
            touched.into_iter().map(|touched| if touched { Undone::Done } else { Undone::Gone }).collect()
        }
        Err(NftError::Missing) => rules.iter().map(|_| Undone::Gone).collect(),
        Err(error) => {
            let reason = "the transaction that it is part of failed";
            let others = rules.iter().skip(1).map(|_| Undone::Left(reason.to_owned()));
            std::iter::once(Undone::Failed(failed(error))).chain(others).collect()
        }
    }
}

/// What is missing of each action, in one sentence for each thing; what leads to all rules, of the last.
pub fn verify(actions: &[&MasqueradeNft]) -> Vec<Vec<Difference>> {
    let mut differences: Vec<Vec<Difference>> = vec![Vec::new(); actions.len()];
    let Some(last) = actions.last() else { return differences };
    let mut of_all = Vec::new();
    match list(TABLE) {
        Ok(table) => {
            for (action, of_action) in actions.iter().zip(&mut differences) {
                if !table.rules_of(CHECKS).any(|rule| is(rule, action)) {
                    let text = format!("the rule `{}` is gone", words(action));
                    of_action.push(Difference::mended(text, &Action::MasqueradeNft((*action).clone())));
                }
            }
            if !table.is_filled(POSTROUTING, &frame()) {
                let text =
                    format!("chain {POSTROUTING} of table {} {} does not lead to {CHECKS}", TABLE.0, TABLE.1);
                of_all.push(Difference::mended(text, &Action::MasqueradeNft((*last).clone())));
            }
        }
        Err(error) => of_all.push(Difference::beyond(failed(error).to_string())),
    }
    differences.last_mut().into_iter().for_each(|of_last| of_last.append(&mut of_all));
    differences
}

/// Whether the rule of an address is there, as [`delete`] would find it.
pub fn is_there(one: &MasqueradeNft, unread: &mut Vec<MachineError>) -> bool {
    let table = list_for(TABLE, unread, failed);
    table.rules_of(CHECKS).any(|rule| is_owned(rule, one) && source(rule) == Some(one.address.ip()))
}

/// The rules of an attachment, whoever made them, as actions that [`delete`] undoes.
pub fn find(attachment: &Attachment, unread: &mut Vec<MachineError>) -> Vec<MasqueradeNft> {
    let owner = derive::nft_owner(attachment);
    found(&owner, unread).into_iter().map(|(_, rule)| rule).collect()
}

/// The rules of a network, each with its owner as in [`derive::nft_owner`], as actions that [`delete`] undoes.
pub fn of_network(network: &str, unread: &mut Vec<MachineError>) -> Vec<(String, MasqueradeNft)> {
    found(&format!("{}-", derive::nft_hash(network)), unread)
}

/// The rules whose comment begins so. Why something may be missing is added to `unread`.
fn found(prefix: &str, unread: &mut Vec<MachineError>) -> Vec<(String, MasqueradeNft)> {
    let table = list_for(TABLE, unread, failed);
    let rules = table.rules_of(CHECKS).filter_map(|rule| {
        let comment = rule.comment.clone().filter(|comment| comment.starts_with(prefix))?;
        Some((owner(&comment)?.to_owned(), MasqueradeNft { address: address(rule)?, comment }))
    });
    rules.collect()
}

fn addition(table: &Table, actions: &[&MasqueradeNft]) -> (Script, Vec<Effect>) {
    let owned = |rule: &&Rule| actions.iter().any(|action| is_owned(rule, action));
    let old: Vec<&Rule> = table.rules_of(CHECKS).filter(owned).collect();
    let was_there = |action: &&MasqueradeNft| old.iter().any(|rule| is(rule, action));
    let made = if table.exists { Effect::Replaced("table".to_owned()) } else { Effect::Created };
    let effect =
        |action: &&MasqueradeNft| if was_there(action) { Effect::AlreadyThere } else { made.clone() };
    let effects = actions.iter().map(effect).collect();
    let is_framed = table.has_chain(CHECKS) && table.is_filled(POSTROUTING, &frame());
    if actions.iter().all(was_there) && old.len() == actions.len() && is_framed {
        return (Script::Empty, effects);
    }
    // Rules alone are added in 4 ms; where chains are added or flushed, `nft` waits for the kernel's grace period, 12 ms more.
    // If the table goes meanwhile, the transaction is refused, and the frame is part of the next try.
    let mut script = if is_framed { String::new() } else { FRAME.to_owned() };
    old.iter().for_each(|rule| script += &delete_rule(rule));
    for action in actions {
        script += &format!("{}\n", words(action));
    }
    (Script::Text(script), effects)
}

fn deletion(table: &Table, rules: &[&MasqueradeNft], whole: bool) -> (Script, Vec<bool>) {
    let of = |rule: &Rule, one: &MasqueradeNft| is_owned(rule, one) && source(rule) == Some(one.address.ip());
    let touched: Vec<bool> =
        rules.iter().map(|one| table.rules_of(CHECKS).any(|rule| of(rule, one))).collect();
    let (doomed, kept): (Vec<&Rule>, Vec<&Rule>) =
        table.rules_of(CHECKS).partition(|rule| rules.iter().any(|one| of(rule, one)));
    let frame = frame();
    let stays = table.has_others
        || !kept.is_empty()
        || table.chains.iter().any(|chain| chain != CHECKS && chain != POSTROUTING)
        || table.rules_of(POSTROUTING).any(|rule| !frame.contains(&rule.statements));
    if whole && table.exists && !stays {
        return (Script::Text(format!("delete table {} {}\n", TABLE.0, TABLE.1)), touched);
    }
    let script: String = doomed.into_iter().map(delete_rule).collect();
    (if script.is_empty() { Script::Empty } else { Script::Text(script) }, touched)
}

/// In the words of the reference.
fn failed(error: NftError) -> MachineError {
    error.into_kernel_error("could not find nftables binary", "could not run nftables command")
}

#[cfg(test)]
mod tests;
