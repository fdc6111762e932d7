//! Masquerading with iptables.

use super::{add, check_without, remove};
use crate::attached::Attached;
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::{Masquerade, RemoveMasquerade};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::rules::TableId;
use wasm_cni::machine::rules::iptables::{Family, Table};
use wasm_cni_fake::FakeMachine;

fn action(address: &str, container: &str) -> Masquerade {
    Masquerade {
        address: address.parse().unwrap(),
        chain: "CNI-e88f49d94512ff752ebe6070".to_owned(),
        comment: format!("name: \"mynet\" id: \"{container}\""),
    }
}

#[test]
fn no_text_can_add_a_line_to_the_script() {
    let refused = |evil: &Masquerade| {
        let outcome = add(evil.clone());
        assert!(matches!(outcome, Outcome::Failed(MachineError::Conflict(_))), "{outcome:?}");
    };
    let mut evil = action("10.1.2.2/24", "abc");
    evil.comment = "x\n-P POSTROUTING DROP".to_owned();
    refused(&evil);
    let mut evil = action("10.1.2.2/24", "abc");
    evil.chain = "POSTROUTING -j DROP".to_owned();
    refused(&evil);
    let undone = remove(RemoveMasquerade { rules: evil });
    assert!(matches!(undone, Undone::Failed(MachineError::Conflict(_))), "{undone:?}");
}

fn attached() -> Attached {
    Attached::new(FakeMachine::new(), [action("10.1.2.2/24", "abc").into()])
}

#[test]
fn check_names_a_missing_rule() {
    assert_eq!(
        check_without(&attached(), TableId::Iptables(Table::Nat, Family::V4), "MASQUERADE"),
        [
            r#"the rule `-A CNI-e88f49d94512ff752ebe6070 ! -d 224.0.0.0/4 -j MASQUERADE -m comment --comment "name: \"mynet\" id: \"abc\""` is gone"#
        ]
    );
}

#[test]
fn undo_removes_the_rules() {
    attached().assert_undone();
}

#[test]
fn rules_are_found_as_long_as_they_exist() {
    let mut attached = attached();
    assert!(attached.is_left());
    attached.assert_undone();
    assert!(!attached.is_left());
}
