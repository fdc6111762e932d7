//! A failed or killed ADD in a VLAN leaves nothing.

use crate::network::{add, call, machine, pings, with_gateway};
use serde_json::json;
use wasm_cni_tests::NOTHING;

#[test]
fn an_add_that_fails_after_its_gateway_was_made_leaves_nothing() {
    let machine = machine(&["a"]);
    let before = machine.snapshot();
    // Rules are added last.
    let path =
        machine.with_iptables("ip link show br0.100 >/dev/null || exit 7; echo 'out of luck' >&2; exit 1");
    let (_, msg, details) = call("ADD", &with_gateway(json!({})), "a").env("PATH", &path).error(&machine);
    assert!(msg.contains("out of luck"), "{msg}");
    assert!(details.contains("all that was done before is undone"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_failed_add_keeps_what_another_attachment_of_the_vlan_uses() {
    let machine = machine(&["a", "b"]);
    let config = with_gateway(json!({}));
    add(&machine, &config, "a");
    let before = machine.snapshot();
    let path = machine.with_iptables("exit 1");
    // Also by an attachment of another network on the same bridge.
    for name in ["net", "other"] {
        let config = with_gateway(json!({"name": name}));
        call("ADD", &config, "b").env("PATH", &path).error(&machine);
        assert_eq!(machine.changes(&before), NOTHING, "{name}");
    }
    assert!(pings(&machine, "a", "10.1.2.1"));
}

#[test]
fn a_failed_add_removes_only_its_own_vlan_s_gateway() {
    let machine = machine(&["a", "b"]);
    add(&machine, &with_gateway(json!({})), "a");
    let before = machine.snapshot();
    let path = machine.with_iptables("exit 1");
    let other =
        json!({"vlan": 200, "name": "other", "ipam": {"type": "host-local", "subnet": "10.1.3.0/24"}});
    call("ADD", &with_gateway(other), "b").env("PATH", &path).error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_killed_add_is_cleaned_up_gateway_included() {
    let machine = machine(&["a"]);
    let before = machine.snapshot();
    let config = with_gateway(json!({}));
    let path = machine.with_iptables("kill -KILL $PPID; sleep 0.2");
    let reply = call("ADD", &config, "a").env("PATH", &path).run(&machine);
    assert_ne!(reply.code, Some(0), "it was killed");
    assert!(machine.snapshot().contains("link br0.100"), "there is something to clean up");
    call("DEL", &config, "a").ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn the_operator_s_bridge_is_as_it_was_after_a_failed_add() {
    let machine = machine(&["a"]);
    machine.sh("ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 5; ip link set br0 up; \
         ip link add own type dummy; ip link set own up master br0; bridge vlan add dev own vid 100; \
         bridge vlan add dev br0 vid 100 self");
    let before = machine.snapshot();
    let path = machine.with_iptables("exit 1");
    call("ADD", &with_gateway(json!({})), "a").env("PATH", &path).error(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}
