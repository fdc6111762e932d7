//! The gateway in a VLAN.

use crate::network::{
    add, call, gateway_port, link, machine, network, pings, vlans, with_address, with_gateway, with_previous,
};
use serde_json::{Value, json};
use wasm_cni_tests::NOTHING;

/// The names and MACs of a result's interfaces, in order.
fn interfaces(result: &Value) -> Vec<(&str, &str)> {
    let interfaces = result["interfaces"].as_array().unwrap();
    interfaces.iter().map(|one| (one["name"].as_str().unwrap(), one["mac"].as_str().unwrap())).collect()
}

#[test]
fn the_gateway_is_the_fourth_interface_of_the_result_and_answers_in_its_vlan_alone() {
    let machine = machine(&["a", "b"]);
    let result = add(&machine, &with_gateway(json!({"mtu": 1400})), "a");
    let interfaces = interfaces(&result);
    let names: Vec<&str> = interfaces.iter().map(|(name, _)| *name).collect();
    assert_eq!([names[0], names[2], names[3]], ["br0", "eth0", "br0.100"]);
    assert_eq!(names.len(), 4);
    // As for a bridge: the neighbours know a gateway that is made again.
    assert_eq!(interfaces[3].1, "0a:58:0a:01:02:01");
    assert_eq!(link(&machine, "br0.100")["address"], interfaces[3].1);
    assert_eq!(link(&machine, "br0")["address"], interfaces[0].1);
    assert_eq!(result["ips"][0], json!({"address": "10.1.2.2/24", "gateway": "10.1.2.1", "interface": 2}));
    assert_eq!(link(&machine, "br0.100")["mtu"], 1400);
    assert_eq!(vlans(&machine, &gateway_port(&machine)), "100 PVID Egress Untagged");
    assert_eq!(machine.sh("ip -4 -o address show dev br0"), "", "the bridge itself has no address");
    assert!(pings(&machine, "a", "10.1.2.1"));

    add(&machine, &with_address("10.1.2.9/24", json!({"vlan": 200, "name": "other"})), "b");
    assert!(!pings(&machine, "b", "10.1.2.1"), "it is no gateway of VLAN 200");
}

#[test]
fn the_world_is_reached_through_the_gateway_of_the_vlan() {
    let machine = machine(&["a", "b", "world"]);
    // The outside has no route back.
    machine.sh(
        "ip link add wan type veth peer name eth0 netns world; ip link set wan up; ip -n world link set eth0 up; \
         ip address add 192.0.2.1/24 dev wan; ip -n world address add 192.0.2.2/24 dev eth0",
    );
    add(&machine, &with_gateway(json!({})), "a");
    let other =
        json!({"vlan": 200, "name": "other", "ipam": {"type": "host-local", "subnet": "10.1.3.0/24"}});
    add(&machine, &with_gateway(other), "b");
    for container in ["a", "b"] {
        assert!(pings(&machine, container, "192.0.2.2"), "{container}");
    }
    assert_eq!(machine.sh("ip -n a route show default"), "default via 10.1.2.1 dev eth0 \n");
    assert_eq!(link(&machine, "br0.200")["address"], "0a:58:0a:01:03:01");
    machine.sh("iptables -t nat -F POSTROUTING");
    assert!(!pings(&machine, "a", "192.0.2.2"), "it was masquerading that did it");
}

#[test]
fn attachments_of_one_vlan_share_its_gateway_which_outlives_them() {
    let machine = machine(&["a", "b"]);
    let config = with_gateway(json!({"preserveDefaultVlan": true}));
    let before = machine.snapshot();
    add(&machine, &config, "a");
    let index = link(&machine, "br0.100")["ifindex"].take();
    assert_eq!(vlans(&machine, &gateway_port(&machine)), "1 Egress Untagged, 100 PVID Egress Untagged");
    let result = add(&machine, &config, "b");
    assert_eq!(result["interfaces"].as_array().unwrap().len(), 4);
    assert!(pings(&machine, "a", "10.1.2.3") && pings(&machine, "b", "10.1.2.1"));
    call("DEL", &config, "a").ok(&machine);
    assert!(pings(&machine, "b", "10.1.2.1"));
    // The second one is deleted without its namespace.
    machine.sh("ip netns delete b");
    for _ in 0..2 {
        call("DEL", &config, "b").env("CNI_NETNS", "").ok(&machine);
    }
    assert_eq!(link(&machine, "br0.100")["ifindex"], index);
    let left: Vec<String> = machine.changes(&before);
    let links = left.iter().filter(|line| line.starts_with("+ host: link ")).count();
    assert_eq!(links, 3, "bridge, gateway and port: {left:#?}");
    assert!(!left.iter().any(|line| line.contains("CNI-") || line.contains("/10.1.2.")), "{left:#?}");
    // The gateway also serves the next one.
    add(&machine, &config, "a");
    assert_eq!(link(&machine, "br0.100")["ifindex"], index);
    assert!(pings(&machine, "a", "10.1.2.1"));
}

#[test]
fn a_gateway_of_the_operator_is_used_and_left_alone() {
    for make in [
        "ip link add link br0 name br0.100 type vlan id 100; bridge vlan add dev br0 vid 100 self",
        "ip link add br0.100 type veth peer name own; ip link set own up master br0; \
         bridge vlan add dev own vid 100 pvid untagged",
    ] {
        let machine = machine(&["a"]);
        machine.sh(&format!(
            "ip link add br0 address 02:00:00:00:00:01 type bridge vlan_filtering 1; ip link set br0 up; {make}"
        ));
        let before = machine.snapshot();
        let config = with_gateway(json!({"preserveDefaultVlan": true}));
        let result = add(&machine, &config, "a");
        let mac = &link(&machine, "br0.100")["address"];
        assert_eq!(result["interfaces"][3], json!({"name": "br0.100", "mac": mac}), "{make}");
        assert!(pings(&machine, "a", "10.1.2.1"), "{make}");
        call("CHECK", &with_previous(&config, &result), "a").ok(&machine);
        call("DEL", &config, "a").ok(&machine);
        let shown = |line: &String| line.contains(" link ") || line.contains("vlan");
        let links: Vec<String> = machine.changes(&before).into_iter().filter(shown).collect();
        // It is up now.
        assert_eq!(
            links.iter().filter(|line| line.starts_with('+') && !line.contains("UP")).count(),
            0,
            "{links:?}"
        );
    }
}

#[test]
fn a_link_that_is_no_gateway_of_the_vlan_is_not_touched() {
    for (make, said) in [
        ("ip link add br0.100 type dummy", "link br0.100 is not the gateway of VLAN 100 of bridge br0"),
        (
            "ip link add link br0 name br0.100 type vlan id 101",
            "link br0.100 is not the gateway of VLAN 100 of bridge br0",
        ),
        (
            "ip link add br0.100 type veth peer name own; ip link set own master br0",
            "link br0.100 is not the gateway of VLAN 100 of bridge br0",
        ),
    ] {
        let machine = machine(&["a"]);
        machine
            .sh(&format!("ip link add br0 address 02:00:00:00:00:01 type bridge vlan_filtering 1; {make}"));
        let before = machine.snapshot();
        let (code, msg, _) = call("ADD", &with_gateway(json!({})), "a").error(&machine);
        assert_eq!(code, 999, "{make}: {msg}");
        assert!(msg.contains(said) && msg.contains("failed to create vlan interface"), "{make}: {msg}");
        // A bridge that existed before stays up.
        let changes = machine.changes(&before);
        assert!(changes.iter().all(|line| line.contains("br0")), "{make}: {changes:#?}");
    }
}

#[test]
fn a_name_that_gets_too_long_is_refused_before_anything_is_done() {
    let machine = machine(&["a"]);
    let before = machine.snapshot();
    let (code, msg, _) = call("ADD", &with_gateway(json!({"bridge": "bridge-of-13-c"})), "a").error(&machine);
    assert_eq!(code, 103, "{msg}");
    assert!(msg.contains("bridge-of-13-c.100"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn both_families_have_their_gateway_in_the_vlan() {
    let machine = machine(&["a"]);
    let ranges = json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    let config = with_gateway(json!({"ipam": {"type": "host-local", "ranges": ranges}}));
    let result = add(&machine, &config, "a");
    assert_eq!(result["ips"][1]["gateway"], "fd00:1::1");
    let shown = machine.sh("ip -o address show dev br0.100 scope global");
    assert!(shown.contains("10.1.2.1/24") && shown.contains("fd00:1::1/64"), "{shown}");
    // The first packet: both work when ADD returns.
    for gateway in ["10.1.2.1", "fd00:1::1"] {
        machine.sh(&format!("ip netns exec a ping -c 1 -W 5 {gateway}"));
    }
}

#[test]
fn another_address_of_the_gateway_makes_room_only_by_force() {
    let machine = machine(&["a", "b"]);
    add(&machine, &with_gateway(json!({})), "a");
    let before = machine.snapshot();
    let moved = |force: bool| {
        with_gateway(json!({"forceAddress": force, "name": "other",
            "ipam": {"type": "host-local", "subnet": "10.1.3.0/24"}}))
    };
    let (_, msg, _) = call("ADD", &moved(false), "b").error(&machine);
    assert_eq!(
        msg,
        "failed to set vlan interface for bridge with addr: \"br0.100\" already has an IP address different from 10.1.3.1/24"
    );
    assert_eq!(machine.changes(&before), NOTHING);
    add(&machine, &moved(true), "b");
    assert!(machine.sh("ip -4 -o address show dev br0.100").contains("10.1.3.1/24"));
    assert!(pings(&machine, "b", "10.1.3.1") && !pings(&machine, "a", "10.1.2.1"));
}

#[test]
fn a_network_without_a_gateway_makes_none() {
    let machine = machine(&["a"]);
    add(&machine, &network(json!({"vlan": 100, "isGateway": true})), "a");
    assert!(!machine.snapshot().contains("br0.100"), "without addresses there is no gateway");
}
