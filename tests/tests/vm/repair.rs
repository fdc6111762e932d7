//! `wasm-cni diff` and `wasm-cni repair` of damage in VLANs.

use crate::network::{add, call, gateway_port, machine, pings, port, with_gateway};
use serde_json::json;
use wasm_cni_tests::{Machine, NOTHING, dist};

/// Exit code and stdout, with stderr.
fn wasm_cni(machine: &Machine, argument: &str) -> (Option<i32>, String) {
    let output = machine.command(dist().join("wasm-cni")).arg(argument).output().unwrap();
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn each_damage_in_a_vlan_is_shown_and_repaired_and_the_link_stays() {
    let machine = machine(&["a"]);
    let trunk = json!([{"id": 7}, {"minID": 200, "maxID": 210}]);
    let config = with_gateway(json!({"vlanTrunk": trunk}));
    let result = add(&machine, &config, "a");
    let (port, gateway_port) = (port(&result).to_owned(), gateway_port(&machine));
    let index = || machine.sh("ip -n a -o link show eth0 | cut -d: -f1");
    let (first, before) = (index(), machine.snapshot());
    let joins = format!("bridge vlan add dev {port} vid 100 pvid untagged");
    let gateway = "ip link add br0.100".to_owned();
    for (harm, difference, repair) in [
        (format!("bridge vlan delete dev {port} vid 100"), "is not in VLAN 100", &joins),
        (format!("bridge vlan delete dev {port} vid 1-4094"), "is not in VLAN 7 100 200-210", &joins),
        (format!("bridge vlan add dev {port} vid 100"), "has other tags in VLAN 100", &joins),
        (format!("bridge vlan add dev {port} vid 300"), "is also in VLAN 300", &joins),
        (format!("ip link set {port} nomaster"), "is not a port of br0", &joins),
        ("ip link delete br0.100".into(), "link br0.100, the gateway of VLAN 100, is missing", &gateway),
        ("ip link set br0.100 down".into(), "link br0.100 is down", &gateway),
        (format!("ip link set {gateway_port} down"), "link br0.100 is down", &gateway),
        (
            "ip address flush dev br0.100".into(),
            "address 10.1.2.1/24 is missing on br0.100",
            &"ip address add 10.1.2.1/24".into(),
        ),
        (
            format!("bridge vlan delete dev {gateway_port} vid 100"),
            "br0.100 is cut off from VLAN 100",
            &gateway,
        ),
        (format!("ip link set {gateway_port} nomaster"), "br0.100 is cut off from VLAN 100", &gateway),
        ("ip link delete br0".into(), "bridge br0 is missing", &gateway),
    ] {
        machine.sh(&harm);
        let (code, plan) = wasm_cni(&machine, "diff");
        assert!(
            code == Some(1) && plan.contains(difference) && plan.contains(repair),
            "{harm}: {difference:?}:\n{plan}"
        );
        let (code, done) = wasm_cni(&machine, "repair");
        assert!(code == Some(0) && done.contains(repair), "{harm}: {done}");
        assert_eq!(machine.changes(&before), NOTHING, "{harm}");
        assert!(pings(&machine, "a", "10.1.2.1"), "{harm}");
    }
    assert_eq!(index(), first, "the link is the same");
    call("DEL", &config, "a").ok(&machine);
}

#[test]
fn a_link_with_the_gateway_s_name_that_is_no_gateway_is_reported_and_left_alone() {
    for make in [
        "ip link add br0.100 type dummy",
        // Somebody moved its port to another bridge.
        "ip link add own type bridge; ip link set $PORT master own",
    ] {
        let machine = machine(&["a"]);
        add(&machine, &with_gateway(json!({})), "a");
        let port = gateway_port(&machine);
        let delete = if make.contains("PORT") { "" } else { "ip link delete br0.100;" };
        machine.sh(&format!("PORT={port}; {delete} {make}"));
        let broken = machine.snapshot();
        for command in ["diff", "repair"] {
            let (code, text) = wasm_cni(&machine, command);
            let difference = "link br0.100 is not the gateway of VLAN 100 of bridge br0";
            assert!(code == Some(1) && text.contains(difference), "{make}: {text}");
            assert_eq!(machine.changes(&broken), NOTHING, "{make}");
        }
    }
}

#[test]
fn after_somebody_deleted_the_bridge_an_add_joins_its_gateway_again() {
    let machine = machine(&["a", "b"]);
    add(&machine, &with_gateway(json!({})), "a");
    machine.sh("ip link delete br0");
    add(&machine, &with_gateway(json!({})), "b");
    assert!(pings(&machine, "b", "10.1.2.1"));
    let ports = "ip -o link show master br0 | wc -l";
    assert_eq!(machine.sh(ports).trim(), "2", "the port of `a` is still none");
    assert_eq!(wasm_cni(&machine, "repair").0, Some(0));
    assert!(pings(&machine, "a", "10.1.2.1") && pings(&machine, "a", "10.1.2.3"));
}
