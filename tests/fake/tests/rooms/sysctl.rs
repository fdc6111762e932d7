//! Kernel parameters, as far as they need no namespace of their own, and on the machine in memory.

use crate::attached::Attached;
use wasm_cni::action::profile::Lasts;
use wasm_cni::action::record::{Before, Effect, OldSysctl, Undone};
use wasm_cni::action::{Action, EnsureBridge, Inverse, Kind, Lifetime, RestoreSysctl, SetSysctl};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::linux::Linux;
use wasm_cni::value::{Netns, SysctlKey};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{mac, name, perform, read, undo};

fn set(key: &str, value: &str) -> SetSysctl {
    let key = SysctlKey::parse(key).unwrap();
    SetSysctl { netns: Netns::Host, key, value: value.to_owned(), optional: false }
}

fn restore(set: &SetSysctl, old: OldSysctl) -> RestoreSysctl {
    RestoreSysctl { netns: set.netns, key: set.key.clone(), written: set.value.clone(), old }
}

#[test]
fn only_an_optional_parameter_may_be_missing() {
    // No test can create this link, so nothing is changed.
    let mut machine = Linux::open(None, false);
    let missing = set("net/ipv4/conf/no-such-link/arp_notify", "1");
    let error = perform(&mut machine, missing.clone()).unwrap_err();
    assert_eq!(
        chain(&error),
        "failed to set sysctl \"net/ipv4/conf/no-such-link/arp_notify\" to \"1\": no such file or directory"
    );
    let texts: Vec<String> =
        read(&mut machine, |cx| missing.verify(cx)).unwrap().into_iter().map(|found| found.text).collect();
    assert_eq!(texts, ["sysctl net/ipv4/conf/no-such-link/arp_notify cannot be read"]);
    assert_eq!(read(&mut machine, |cx| missing.observe(cx)), Before::Absent);
    let optional = SetSysctl { optional: true, ..missing };
    assert_eq!(perform(&mut machine, optional.clone()).unwrap(), Effect::AlreadyThere);
    assert_eq!(read(&mut machine, |cx| optional.verify(cx)).unwrap(), []);
    assert!(!optional.lasts(&Effect::AlreadyThere));
}

#[test]
fn parameters_of_a_container_without_a_namespace_cannot_be_changed() {
    let mut machine = FakeMachine::new().without_container();
    let inside = SetSysctl { netns: Netns::Container, ..set("net/ipv4/ip_forward", "1") };
    let text = "failed to enter the container's network namespace: the container has no network namespace";
    assert_eq!(chain(&perform(&mut machine, inside.clone()).unwrap_err()), text);
    assert_eq!(chain(&read(&mut machine, |cx| inside.verify(cx)).unwrap_err()), text);
    assert_eq!(read(&mut machine, |cx| inside.observe(cx)), Before::Unknown);
    let old = OldSysctl { value: "0".to_owned(), others: Vec::new() };
    assert!(matches!(undo(&mut machine, restore(&inside, old)), Undone::Gone));
}

#[test]
fn a_parameter_lasts_as_long_as_its_link() {
    let bridge = EnsureBridge { name: name("cni0"), mtu: None, mac: mac(1), vlan_filtering: false };
    let lasts = |set: &SetSysctl| set.profile().lasts;
    let of_bridge = set("net/ipv4/conf/cni0/route_localnet", "1");
    assert_eq!(lasts(&of_bridge), Lasts::WithLink(Lifetime::Shared));
    for forwarding in ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding"]
    {
        assert_eq!(lasts(&set(forwarding, "1")), Lasts::For(Lifetime::Node), "{forwarding}");
    }
    for other in
        ["net/ipv4/conf/a-name-of-no-link/forwarding", "net/ipv4/conf/all/rp_filter", "net/core/somaxconn"]
    {
        assert_eq!(lasts(&set(other, "1")), Lasts::For(Lifetime::Shared), "{other}");
    }
    let inside = SetSysctl { netns: Netns::Container, ..of_bridge.clone() };
    assert_eq!(lasts(&inside), Lasts::For(Lifetime::Attachment));

    let repair = Action::from(bridge);
    assert!(of_bridge.is_lost_with(&repair) && !inside.is_lost_with(&repair));
    let later = SetSysctl { value: "0".to_owned(), optional: true, ..of_bridge.clone() };
    assert!(of_bridge.is_superseded(&later.into()) && !of_bridge.is_superseded(&inside.into()));
}

#[test]
fn a_command_restores_other_changed_parameters_too() {
    let other = SysctlKey::parse("net/ipv4/conf/own/forwarding").unwrap();
    let old = OldSysctl { value: "0".to_owned(), others: vec![(other, "1".to_owned())] };
    let forward = set("net/ipv4/ip_forward", "1");
    let command = restore(&forward, old).command();
    assert_eq!(command, "sysctl -w net/ipv4/ip_forward=0 net/ipv4/conf/own/forwarding=1");
    assert_eq!(forward.commands(), ["sysctl -w net/ipv4/ip_forward=1"]);
    let optional = SetSysctl { optional: true, ..forward };
    assert_eq!(optional.commands(), ["sysctl -e -w net/ipv4/ip_forward=1"]);
}

#[test]
fn check_names_a_changed_parameter() {
    let forward = set("net/ipv4/ip_forward", "1");
    let found = Attached::new(FakeMachine::new(), [forward.clone().into()])
        .check_after(|machine| *machine = machine.clone().with_sysctl(Netns::Host, &forward.key, "0"));
    assert_eq!(found, ["sysctl net/ipv4/ip_forward is \"0\", not \"1\""]);
}

#[test]
fn undo_restores_a_parameter() {
    Attached::new(FakeMachine::new(), [set("net/ipv4/ip_forward", "1").into()]).assert_undone();
}
