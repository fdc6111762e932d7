//! Actions that consist of rules. Their effect on the kernel's tables is in `tests/privileged/tests/rooms/rules`.

mod filter;
mod masquerade_iptables;
mod masquerade_nft;
mod port_map_iptables;
mod port_map_nft;
mod source_mac;

use crate::attached::Attached;
use std::fmt::Debug;
use wasm_cni::action::profile::{Lane, RuleSet};
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni::machine::port::Look;
use wasm_cni::machine::rules::{Listing, TableId};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play;

/// Adds rules to an empty machine.
fn add(action: impl Into<Action>) -> Outcome {
    play::step(&mut FakeMachine::new(), &[action.into()]).remove(0)
}

/// Removes rules from an empty machine.
fn remove(undo: impl Into<Undo>) -> Undone {
    play::undo(&mut FakeMachine::new(), undo)
}

/// The set of rules of an action.
fn rule_set(action: &Action) -> &dyn RuleSet {
    match action.kind().profile().lane {
        Lane::Rules(set) => set,
        _ => panic!("{action:?} has no rules"),
    }
}

/// What CHECK says after somebody else has removed the rules of a table that contain a text.
fn check_without(attached: &Attached, table: TableId, text: &str) -> Vec<String> {
    attached.check_after(|machine| {
        let mut listing = machine.tables().list(table).unwrap();
        let is_kept = |rule: &dyn Debug| !format!("{rule:?}").contains(text);
        match &mut listing {
            Listing::Iptables(listing) => listing.rules.retain(|rule| is_kept(rule)),
            Listing::Nftables(listing) => listing.rules.retain(|rule| is_kept(rule)),
        }
        *machine = machine.clone().with_table(table, listing);
    })
}
