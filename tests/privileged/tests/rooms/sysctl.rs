//! On the kernel's own parameters, in a namespace of the test's.

use wasm_cni::action::profile::Lasts;
use wasm_cni::action::record::{Before, Effect, Old, OldSysctl, Undone};
use wasm_cni::action::{Action, EnsureBridge, Inverse, Kind, Lifetime, RestoreSysctl, SetSysctl};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::port::Look;
use wasm_cni::value::{Netns, SysctlKey};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::play::{mac, name, perform, read, undo};
use wasm_cni_privileged::{private, sh};

/// The machine of this thread's network namespace.
fn host() -> Linux {
    Linux::open(None, false)
}

fn set(key: &str, value: &str) -> SetSysctl {
    let key = SysctlKey::parse(key).unwrap();
    SetSysctl { netns: Netns::Host, key, value: value.to_owned(), optional: false }
}

fn restore(set: &SetSysctl, old: OldSysctl) -> RestoreSysctl {
    RestoreSysctl { netns: set.netns, key: set.key.clone(), written: set.value.clone(), old }
}

fn replaced(machine: &mut Linux, set: &SetSysctl) -> OldSysctl {
    match perform(machine, set.clone()).unwrap() {
        Effect::Replaced(Old::Sysctl(old)) => old,
        effect => panic!("{}: {effect:?}", set.key),
    }
}

#[test]
fn a_value_is_replaced_once_and_restored() {
    private(|| {
        let mut machine = host();
        let key = SysctlKey::parse("net/ipv4/ip_forward").unwrap();
        let old = machine.sysctl(Netns::Host, &key).unwrap();
        let forward = set(key.as_str(), if old == "1" { "0" } else { "1" });
        let before = read(&mut machine, |cx| forward.observe(cx));
        let effect = perform(&mut machine, forward.clone()).unwrap();
        let saved = match (before, effect) {
            (Before::Old(Old::Sysctl(before)), Effect::Replaced(Old::Sysctl(effect))) if before == effect => {
                before
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(saved.value, old);
        assert_eq!(perform(&mut machine, forward.clone()).unwrap(), Effect::AlreadyThere);
        assert_eq!(read(&mut machine, |cx| forward.observe(cx)), Before::Present);
        let restore = restore(&forward, saved);
        assert!(matches!(undo(&mut machine, restore.clone()), Undone::Done));
        assert!(matches!(undo(&mut machine, restore.clone()), Undone::Gone));
        assert_eq!(machine.sysctl(Netns::Host, &key).unwrap(), old);
    });
}

#[test]
fn what_forwarding_changed_beside_itself_is_restored() {
    private(|| {
        sh("ip link add own type dummy || ip link add own type veth peer name far
            sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
            sysctl -qw net.ipv4.conf.own.forwarding=1 net.ipv4.conf.all.accept_redirects=0 net.ipv6.conf.own.forwarding=1");
        let mut machine = host();
        let all = || sh("sysctl -a 2>/dev/null | grep -E 'forward|accept_redirects'");
        let before = all();
        for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            let forward = set(key, "1");
            let old = replaced(&mut machine, &forward);
            assert!(all() != before && !old.others.is_empty(), "{old:?}");
            assert!(matches!(undo(&mut machine, restore(&forward, old)), Undone::Done), "{key}");
            assert_eq!(all(), before, "{key}");
        }
        // A link that went meanwhile is no reason to fail.
        let forward = set("net/ipv4/ip_forward", "1");
        let old = replaced(&mut machine, &forward);
        sh("ip link delete own");
        assert!(matches!(undo(&mut machine, restore(&forward, old)), Undone::Done));
    });
}

#[test]
fn only_an_optional_parameter_may_be_missing() {
    let mut machine = host();
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
fn what_somebody_else_wrote_is_left() {
    private(|| {
        let mut machine = host();
        let rmem = set("net/ipv4/tcp_rmem", "4096 131072 6291456");
        perform(&mut machine, rmem.clone()).unwrap();
        assert_eq!(read(&mut machine, |cx| rmem.verify(cx)).unwrap(), [], "tabs and blanks are the same");
        let written = set("net/ipv4/tcp_rmem", "1 2 3");
        let old = OldSysctl { value: "4 5 6".to_owned(), others: Vec::new() };
        assert!(matches!(undo(&mut machine, restore(&written, old)), Undone::Left(_)));
    });
}

#[test]
fn without_its_namespace_a_container_has_no_parameters() {
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
    assert_eq!(lasts(&of_bridge), Lasts::WithLink(Lifetime::Node));
    assert_eq!(lasts(&set("net/ipv4/ip_forward", "1")), Lasts::For(Lifetime::Node));
    assert_eq!(
        lasts(&set("net/ipv4/conf/a-name-of-no-link/forwarding", "1")),
        Lasts::For(Lifetime::Attachment)
    );
    let inside = SetSysctl { netns: Netns::Container, ..of_bridge.clone() };
    assert_eq!(lasts(&inside), Lasts::For(Lifetime::Attachment));

    let repair = Action::from(bridge);
    assert!(of_bridge.is_lost_with(&repair) && !inside.is_lost_with(&repair));
    let later = SetSysctl { value: "0".to_owned(), optional: true, ..of_bridge.clone() };
    assert!(of_bridge.is_superseded(&later.into()) && !of_bridge.is_superseded(&inside.into()));
}

#[test]
fn a_command_restores_what_follows_too() {
    let other = SysctlKey::parse("net/ipv4/conf/own/forwarding").unwrap();
    let old = OldSysctl { value: "0".to_owned(), others: vec![(other, "1".to_owned())] };
    let forward = set("net/ipv4/ip_forward", "1");
    let command = restore(&forward, old).command();
    assert_eq!(command, "sysctl -w net/ipv4/ip_forward=0 net/ipv4/conf/own/forwarding=1");
    assert_eq!(forward.commands(), ["sysctl -w net/ipv4/ip_forward=1"]);
    let optional = SetSysctl { optional: true, ..forward };
    assert_eq!(optional.commands(), ["sysctl -e -w net/ipv4/ip_forward=1"]);
}
