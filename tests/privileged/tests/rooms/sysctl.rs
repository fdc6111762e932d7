//! Kernel parameters, on the real kernel in the test's own namespace.

use wasm_cni::action::record::{Before, Effect, Old, OldSysctl, Undone};
use wasm_cni::action::{Kind, RestoreSysctl, SetSysctl};
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::port::Look;
use wasm_cni::value::{Netns, SysctlKey};
use wasm_cni_plans::play::{perform, read, undo};
use wasm_cni_privileged::{private, sh};

/// The machine of the thread's network namespace.
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
fn other_parameters_that_forwarding_changed_are_restored() {
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
        // A link that was deleted in the meantime does not make the undo fail.
        let forward = set("net/ipv4/ip_forward", "1");
        let old = replaced(&mut machine, &forward);
        sh("ip link delete own");
        assert!(matches!(undo(&mut machine, restore(&forward, old)), Undone::Done));
    });
}

#[test]
fn a_value_that_somebody_else_wrote_stays() {
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
