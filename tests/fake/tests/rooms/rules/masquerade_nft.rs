//! Masquerading with nftables.

use super::{check_without, rule_set};
use crate::attached::Attached;
use wasm_cni::action::kind::Kind;
use wasm_cni::action::profile::RuleRemoval;
use wasm_cni::action::record::{Before, Done, Effect, Old, Reason, Record, Undoing, Undone};
use wasm_cni::action::rules::masquerade::nft::TABLE;
use wasm_cni::action::{Action, MasqueradeNft, RemoveMasqueradeNft, Undo};
use wasm_cni::machine::rules::{Edit, TableError, nftables};
use wasm_cni::value::{Attachment, ContainerId, IfName, NetworkName, derive};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{missing, perform, step, undo_all};

fn rule(container: &str, address: &str) -> MasqueradeNft {
    let attachment = Attachment {
        network: NetworkName::parse("unit-test").unwrap(),
        container: ContainerId::parse(container).unwrap(),
        interface: IfName::parse("eth0").unwrap(),
    };
    MasqueradeNft { address: address.parse().unwrap(), comment: derive::nft_comment(&attachment) }
}

fn actions(rules: &[&MasqueradeNft]) -> Vec<Action> {
    rules.iter().map(|&rule| rule.clone().into()).collect()
}

fn undos(rules: &[&MasqueradeNft], table: bool) -> Vec<Undo> {
    rules.iter().map(|&rule| RemoveMasqueradeNft { rule: rule.clone(), table }.into()).collect()
}

#[test]
fn only_the_rollback_of_the_add_that_created_the_table_deletes_it() {
    let made = rule("one", "192.168.1.1/24");
    let action = made.clone().into();
    let undo = |done, why| {
        let own = [Record { action: &action, done }];
        made.undos(&Undoing { done, why, own: &own, others: &[] })
    };
    let with = |table| vec![Undo::from(RemoveMasqueradeNft { rule: made.clone(), table })];
    let replaced = Effect::Replaced(Old::Shared(vec!["table".to_owned()]));
    for (done, rollback, delete) in [
        (Done::Effect(&Effect::Created), with(true), with(false)),
        (Done::Effect(&replaced), with(false), with(false)),
        (Done::Effect(&Effect::AlreadyThere), vec![], with(false)),
        (Done::Unknown(&Before::Absent), with(true), with(false)),
        (Done::Not, vec![], vec![]),
    ] {
        assert_eq!(undo(done, Reason::Rollback), rollback, "{done:?}");
        assert_eq!(undo(done, Reason::Delete), delete, "{done:?}");
    }
}

#[test]
fn a_change_by_others_between_listing_and_transaction_is_noticed() {
    let (one, two) = (rule("one", "192.168.1.1/24"), rule("two", "192.168.1.2/24"));
    let mut machine = FakeMachine::new();
    step(&mut machine, &actions(&[&one, &two]));
    // Somebody else deletes the rule after the listing, so its handle is invalid.
    let theirs = RemoveMasqueradeNft { rule: one.clone(), table: false };
    machine.after_listing(move |tables| {
        let deletion = theirs.remove(&tables.list(TABLE).unwrap()).unwrap();
        tables.commit(TABLE, &deletion.edits).unwrap();
    });
    let both = undos(&[&one, &two], false);
    assert!(matches!(undo_all(&mut machine, &both).as_slice(), [Undone::Gone, Undone::Done]));
    assert!(!machine.snapshot().contains("192.168.1"), "{}", machine.snapshot());

    // Somebody else deletes the whole table, which the transaction does not create.
    machine.after_listing(|tables| {
        tables.commit(TABLE, &[Edit::Nftables(nftables::Edit::DeleteTable)]).unwrap();
    });
    assert_eq!(perform(&mut machine, one.clone()).unwrap(), Effect::Created);
    assert_eq!(missing(&mut machine, &actions(&[&one])), [""; 0]);
}

#[test]
fn the_error_for_a_missing_program_is_the_reference_s() {
    let missing = TableError::Missing("exec: \"nft\": executable file not found in $PATH".to_owned());
    assert_eq!(
        rule_set(&rule("one", "192.168.1.1/24").into()).failed(missing).to_string(),
        "could not find nftables binary: exec: \"nft\": executable file not found in $PATH"
    );
}

fn attached() -> Attached {
    Attached::new(FakeMachine::new(), actions(&[&rule("one", "192.168.1.1/24")]))
}

#[test]
fn check_names_a_missing_rule() {
    assert_eq!(
        check_without(&attached(), TABLE, "192.168.1.1"),
        [
            r#"the rule `add rule inet cni_plugins_masquerade masq_checks ip saddr == 192.168.1.1 ip daddr != 192.168.1.0/24 masquerade comment "6fd94d501e58f0aa-287fc69eff0574a2, net: unit-test, if: eth0, id: one"` is gone"#
        ]
    );
}

#[test]
fn undo_removes_the_rule_and_the_table() {
    attached().assert_undone();
}

#[test]
fn a_rule_is_found_as_long_as_it_exists() {
    let mut attached = attached();
    assert!(attached.is_left());
    attached.assert_undone();
    assert!(!attached.is_left());
}
