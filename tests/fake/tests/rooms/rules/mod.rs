//! Actions that consist of rules. Their effect on the kernel's tables is in `tests/privileged/tests/rooms/rules`.

mod filter;
mod masquerade_iptables;
mod masquerade_nft;
mod port_map_iptables;
mod port_map_nft;
mod source_mac;

use wasm_cni::action::profile::{Lane, RuleSet};
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::{Action, Undo};
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
