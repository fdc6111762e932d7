//! Actions that consist of rules, on the kernel's own tables.

mod filter;
mod masquerade;
mod port_map;
mod source_mac;

use std::sync::Arc;
use wasm_cni::action::profile::{Lane, RuleSet};
use wasm_cni::action::record::{Effect, Outcome, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::port::Look;
use wasm_cni::machine::rules::{Listing, RuleTables, TableId};
use wasm_cni_plans::play;

/// The machine of the thread's network namespace, without a container.
fn host() -> Linux {
    Linux::open(None, false)
}

fn tables() -> Arc<dyn RuleTables + Send + Sync> {
    host().tables()
}

fn listed(table: TableId) -> Listing {
    tables().list(table).unwrap()
}

fn add(actions: &[Action]) -> Vec<Outcome> {
    play::step(&mut host(), actions)
}

/// Adds rules. All of them must succeed.
fn made(actions: &[Action]) -> Vec<Effect> {
    add(actions).into_iter().map(|outcome| play::done(outcome).unwrap()).collect()
}

fn remove(undos: &[Undo]) -> Vec<Undone> {
    play::undo_all(&mut host(), undos)
}

fn missing(actions: &[Action]) -> Vec<String> {
    play::missing(&mut host(), actions)
}

fn actions<T: Clone + Into<Action>>(rules: &[&T]) -> Vec<Action> {
    rules.iter().map(|&rule| rule.clone().into()).collect()
}

/// The set of rules of an action.
fn rule_set(action: &Action) -> &dyn RuleSet {
    match action.kind().profile().lane {
        Lane::Rules(set) => set,
        _ => panic!("{action:?} has no rules"),
    }
}
