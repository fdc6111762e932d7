//! Firewall rules.

use super::check_without;
use crate::attached::Attached;
use wasm_cni::action::kind::Kind;
use wasm_cni::action::record::{Done, Effect, Reason, Undoing, Undone};
use wasm_cni::action::rules::filter::iptables::table;
use wasm_cni::action::{Action, FilterRule, Inverse, RemoveFilter, Undo};
use wasm_cni::machine::port::{Machine, ZoneChange};
use wasm_cni::value::IfName;
use wasm_cni_fake::FakeMachine;

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

/// What CHECK says without the rules that contain a text.
fn without(rule: FilterRule, text: &str) -> Vec<String> {
    let table = table(&rule);
    check_without(&Attached::new(FakeMachine::new(), [rule.into()]), table, text)
}

#[test]
fn check_names_the_missing_rules_of_a_container_and_of_a_bridge() {
    let gone = "the rule `-A CNI-FORWARD -s 10.1.2.2/32 -j ACCEPT` is gone";
    assert_eq!(without(allow("10.1.2.2"), r#""-s", "10.1.2.2/32""#), [gone]);
    let found = without(isolate("cni0", true), r#""-i", "cni0", "-o""#);
    let gone = "the rule `-I CNI-ISOLATION-STAGE-1 1 -i cni0 -o cni0 -m comment --comment \
        \"CNI firewall plugin rules (ingressPolicy: isolated)\" -j DROP` is gone";
    assert_eq!(found, [gone]);
}

#[test]
fn undo_removes_the_rules_of_a_container_and_of_a_bridge() {
    for rule in [allow("10.1.2.2"), allow("fd00::2"), isolate("cni0", true), isolate("cni0", false)] {
        Attached::new(FakeMachine::new(), [rule.into()]).assert_undone();
    }
}

fn trust() -> FilterRule {
    FilterRule::TrustSource { address: [10, 1, 2, 2].into(), zone: "trusted".to_owned() }
}

#[test]
fn check_names_an_address_that_left_its_zone() {
    let attached = Attached::new(FakeMachine::new().with_firewalld(), [trust().into()]);
    let found = attached.check_after(|machine| {
        assert!(machine.change_zone(ZoneChange::Remove("trusted", [10, 1, 2, 2].into())).unwrap());
    });
    assert_eq!(found, ["10.1.2.2/32 is not in zone trusted of firewalld"]);
}

#[test]
fn undo_removes_an_address_from_its_zone() {
    Attached::new(FakeMachine::new().with_firewalld(), [trust().into()]).assert_undone();
}
