//! MAC spoofing checks.

use super::{check_without, rule_set};
use crate::attached::Attached;
use wasm_cni::action::CheckSourceMac;
use wasm_cni::action::rules::source_mac::TABLE;
use wasm_cni::machine::rules::TableError;
use wasm_cni::value::{Attachment, ContainerId, IfName, Mac, NetworkName, derive};
use wasm_cni_fake::FakeMachine;

fn check(interface: &str, port: &str) -> CheckSourceMac {
    let attachment = Attachment {
        network: NetworkName::parse("mynet").unwrap(),
        container: ContainerId::parse("container99").unwrap(),
        interface: IfName::parse(interface).unwrap(),
    };
    CheckSourceMac {
        port: IfName::parse(port).unwrap(),
        mac: Mac([2, 0, 0, 0, 0x12, 0x34]),
        identity: derive::source_mac_identity(&attachment),
    }
}

#[test]
fn the_error_for_a_missing_program_is_the_reference_s() {
    let missing = TableError::Missing("exec: \"nft\": executable file not found in $PATH".to_owned());
    assert_eq!(
        rule_set(&check("net1", "veth01234567").into()).failed(missing).to_string(),
        "failed to setup spoof-check: exec: \"nft\": executable file not found in $PATH"
    );
}

fn attached() -> Attached {
    Attached::new(FakeMachine::new(), [check("net1", "veth01234567").into()])
}

#[test]
fn check_names_a_missing_rule() {
    assert_eq!(
        check_without(&attached(), TABLE, "drop"),
        [
            "the rule `nft add rule bridge nat cni-br-iface-container99-net1-mac drop comment '\"macspoofchk-container99-net1\"'` is gone"
        ]
    );
}

#[test]
fn undo_removes_the_chains_and_the_table() {
    attached().assert_undone();
}

#[test]
fn rules_are_found_as_long_as_they_exist() {
    let mut attached = attached();
    assert!(attached.is_left());
    attached.assert_undone();
    assert!(!attached.is_left());
}
