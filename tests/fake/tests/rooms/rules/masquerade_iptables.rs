//! Masquerading with iptables.

use super::{add, remove};
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::{Masquerade, RemoveMasquerade};
use wasm_cni::machine::MachineError;

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
