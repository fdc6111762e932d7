//! Firewall rules.

use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Done, Effect, Reason, Undoing, Undone};
use wasm_cni::action::{Action, FilterRule, Inverse, RemoveFilter, Undo};
use wasm_cni::value::IfName;

fn allow(address: &str) -> FilterRule {
    FilterRule::AllowForward { address: address.parse().unwrap(), admin_chain: "CNI-ADMIN".to_owned() }
}

fn isolate(bridge: &str, within: bool) -> FilterRule {
    FilterRule::Isolate { is_ipv4: true, bridge: IfName::parse(bridge).unwrap(), within }
}

#[test]
fn a_built_in_chain_cannot_be_the_administrator_s() {
    for chain in ["FORWARD", "INPUT", "CNI-FORWARD", "", "a b", "x\n-A INPUT -j ACCEPT"] {
        let rule = FilterRule::AllowForward { address: [10, 1, 2, 2].into(), admin_chain: chain.to_owned() };
        let undone = super::remove(RemoveFilter { rule, unmake: Vec::new() });
        assert!(matches!(undone, Undone::Failed(_)), "{chain:?}: {undone:?}");
    }
}

#[test]
fn rollback_keeps_what_another_attachment_shares() {
    let (rule, other) = (allow("10.1.2.2"), Action::from(allow("10.1.2.3")));
    let bridge = Action::from(isolate("cni0", true));
    let unmade = |others: &[Vec<&Action>], why| {
        let done = Done::Effect(&Effect::Created);
        let undos = rule.undos(&Undoing { done, why, own: &[], others });
        let [Undo::RemoveFilter(removal)] = undos.as_slice() else { panic!("{undos:?}") };
        removal.unmake.clone()
    };
    let all = ["CNI-FORWARD", "CNI-ADMIN", "FORWARD>CNI-FORWARD", "CNI-FORWARD>CNI-ADMIN"];
    assert_eq!(unmade(&[vec![&bridge]], Reason::Rollback), all);
    assert_eq!(unmade(&[vec![&bridge], vec![&other]], Reason::Rollback), [""; 0]);
    assert_eq!(unmade(&[], Reason::Delete), [""; 0]);
    assert!(isolate("cni0", true).is_used_by(&bridge, &[]) && !rule.is_used_by(&other, &[]));
}

#[test]
fn the_command_of_an_undo_removes_the_rules_of_a_container() {
    let command = |rule| RemoveFilter { rule, unmake: Vec::new() }.command();
    assert_eq!(
        command(allow("10.1.2.2")),
        "iptables -D CNI-FORWARD -d 10.1.2.2 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
         iptables -D CNI-FORWARD -s 10.1.2.2 -j ACCEPT"
    );
    assert_eq!(
        command(isolate("cni0", true)),
        "iptables -D CNI-ISOLATION-STAGE-1 -i cni0 ! -o cni0 -j CNI-ISOLATION-STAGE-2; \
         iptables -D CNI-ISOLATION-STAGE-2 -o cni0 -j DROP; \
         iptables -D CNI-ISOLATION-STAGE-1 -i cni0 -o cni0 -j DROP"
    );
}
