//! bandwidth in a chain after bridge: CHECK compares the limits, repair restores them, DEL removes them, whoever set
//! them. `tests/runtimes` measures the real speed in pods.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::chained::after;
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

fn bridge() -> Value {
    json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]}})
}

fn bandwidth(keys: Value) -> Value {
    let mut config = json!({"cniVersion": "1.0.0", "name": "net", "type": "bandwidth"});
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn both() -> Value {
    bandwidth(
        json!({"ingressRate": 8_000_000, "ingressBurst": 80_000, "egressRate": 16_000_000, "egressBurst": 160_000}),
    )
}

fn call_in(directory: &Path, command: &str, config: &Value) -> Call {
    let plugin = config["type"].as_str().unwrap();
    Call::new(directory, plugin, command, &config.to_string()).container("c").env("CNI_IFNAME", "eth0")
}

fn call(command: &str, config: &Value) -> Call {
    call_in(&dist(), command, config)
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("c");
    machine
}

#[test]
fn check_names_removed_limits_and_repair_restores_them() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let result = call("ADD", &after(&both(), &result)).ok(&machine);
    let of_bandwidth = serde_json::from_str::<Value>(&result).unwrap();
    let (host, ifb) = (
        of_bandwidth["interfaces"][1]["name"].as_str().unwrap(),
        of_bandwidth["interfaces"][3]["name"].as_str().unwrap(),
    );
    assert!(ifb.starts_with("bwp"), "{ifb}");
    let checked = after(&both(), &result);
    let queues = || {
        machine.sh(&format!(
            "tc qdisc show | grep -E 'tbf|ingress' | sort; tc filter show dev {host} ingress | grep -o 'mirred.*device bwp'"
        ))
    };
    let before = queues();
    for damage in [
        format!("tc qdisc delete dev {host} root"),
        format!("tc qdisc replace dev {host} root handle 1: tbf rate 1mbit burst 10kb latency 25ms"),
        format!("tc qdisc delete dev {host} ingress"),
        format!("tc qdisc delete dev {ifb} root"),
        format!("ip link delete {ifb}; tc qdisc delete dev {host} root"),
    ] {
        call("CHECK", &checked).ok(&machine);
        machine.sh(&damage);
        let (_, _, details) = call("CHECK", &checked).error(&machine);
        assert!(
            details.contains("limited") || details.contains("does not go through ifb"),
            "{damage}: {details}"
        );
        machine.sh(&format!("{}/wasm-cni repair net", dist().display()));
        assert_eq!(queues(), before, "{damage}");
    }
}

#[test]
fn del_removes_all_limits_without_a_namespace_and_twice() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let before = machine.snapshot();
    let config = after(&both(), &call("ADD", &after(&both(), &result)).ok(&machine));
    for _ in 0..2 {
        call("DEL", &config).env("CNI_NETNS", "").ok(&machine);
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn del_removes_limits_of_the_reference_without_a_journal() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let config =
        after(&both(), &call_in(Path::new("/usr/lib/cni"), "ADD", &after(&both(), &result)).ok(&machine));
    call("CHECK", &config).ok(&machine);
    call("DEL", &config).ok(&machine);
    assert_eq!(machine.sh("ip -o link show type ifb"), "");
    call("DEL", &bridge()).ok(&machine);
    assert_eq!(machine.sh("tc qdisc show | grep tbf || true"), "");
}

#[test]
fn an_ifb_of_somebody_else_stays_and_the_add_leaves_nothing() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let of_bandwidth = call("ADD", &after(&both(), &result)).ok(&machine);
    let ifb = serde_json::from_str::<Value>(&of_bandwidth).unwrap()["interfaces"][3]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    call("DEL", &after(&both(), &of_bandwidth)).ok(&machine);
    machine.sh(&format!("ip link add {ifb} type ifb; ip link set {ifb} alias operator"));
    let before = machine.snapshot();
    let (_, msg, _) = call("ADD", &after(&both(), &result)).error(&machine);
    assert!(msg.contains("adding link: file exists"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_second_add_of_an_attachment_succeeds() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let before = machine.snapshot();
    let first = call("ADD", &after(&both(), &result)).ok(&machine);
    // As a second, identical entry of the chain does.
    let again = call("ADD", &after(&both(), &first)).ok(&machine);
    call("CHECK", &after(&both(), &first)).ok(&machine);
    call("DEL", &after(&both(), &again)).ok(&machine);
    call("DEL", &after(&both(), &first)).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn what_cannot_be_limited_changes_nothing() {
    let machine = machine();
    let result = call("ADD", &bridge()).ok(&machine);
    let before = machine.snapshot();
    for (keys, text) in [
        (json!({"ingressRate": 7, "ingressBurst": 80_000}), "7 bit/s is less than a byte a second"),
        (json!({"ingressRate": 800, "ingressBurst": 7}), "a burst of 7 bits is no byte"),
        (json!({"ingressRate": 800}), "if rate is set, burst must also be set"),
    ] {
        let (_, msg, _) = call("ADD", &after(&bandwidth(keys), &result)).error(&machine);
        assert!(msg.contains(text), "{msg}");
        assert_eq!(machine.changes(&before), NOTHING);
    }
    // No earlier plugin reported it.
    let mut without_links = after(&both(), &result);
    without_links["prevResult"]["interfaces"] = json!([{"name": "br0"}]);
    without_links["prevResult"]["ips"] = json!([]);
    let (_, msg, _) = call("ADD", &without_links).error(&machine);
    assert_eq!(msg, "no veth peer of container interface found in host ns");
    assert_eq!(machine.changes(&before), NOTHING);
}
