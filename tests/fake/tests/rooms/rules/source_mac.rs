//! MAC spoofing checks.

use super::rule_set;
use wasm_cni::action::CheckSourceMac;
use wasm_cni::machine::rules::TableError;
use wasm_cni::value::{Attachment, ContainerId, IfName, Mac, NetworkName, derive};

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
